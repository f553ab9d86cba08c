import { Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ApiKeyGuard, NeedsScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { AlertQueries } from '../../alerts/alert-queries.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { AdminAlerts } from '../admin-alerts.js';
import { AlertPageDto, AlertsQuery, AlertDto, toAlertDto, toAlertPageDto } from '../alert.dto.js';
import { byApi } from '../admin-actions.js';

const PAGE_SIZE = 50;

@Controller('v1/admin/alerts')
@UseGuards(ApiKeyGuard)
@NeedsScope('admin')
@ApiTags('Admin')
@ApiBearerAuth()
export class AlertsController {
  constructor(
    private readonly alerts: AlertQueries,
    private readonly adminAlerts: AdminAlerts,
  ) {}

  @Get()
  @ApiOperation({
    operationId: 'listAlerts',
    summary: 'List open and closed alerts, newest first',
  })
  @ApiOkResponse({ type: AlertPageDto, description: 'A page of alerts.' })
  async list(@Query() { state, cursor, limit = PAGE_SIZE }: AlertsQuery): Promise<AlertPageDto> {
    return toAlertPageDto(await this.alerts.recent(limit + 1, { state, cursor }), limit);
  }

  @Post(':id/acknowledge')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'acknowledgeAlert',
    summary: 'Acknowledge an alert',
    description: 'The console then shows it on Overview only. The first acknowledgement stays.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AlertDto, description: 'The alert.' })
  @ApiProblems('alert_not_found')
  async acknowledge(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AlertDto> {
    return toAlertDto(await this.adminAlerts.acknowledge(byApi(caller), id));
  }
}
