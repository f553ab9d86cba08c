import { Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { AlertQueries } from '../../alerts/alert-queries.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { AdminAlerts } from '../admin-alerts.js';
import { AlertPageDto, AlertsQuery, AlertDto, toAlertDto, toAlertPageDto } from './alert.dto.js';
import { byApi } from '../admin-actions.js';

@Controller('v1/admin/alerts')
@RequiresScope('admin')
@ApiTags('Admin')
export class AlertsController {
  constructor(
    private readonly alerts: AlertQueries,
    private readonly adminAlerts: AdminAlerts,
  ) {}

  /** List open and closed alerts, newest first */
  @Get()
  async listAlerts(@Query() { state, cursor, limit }: AlertsQuery): Promise<AlertPageDto> {
    return toAlertPageDto(await this.alerts.recent(limit + 1, { state, cursor }), limit);
  }

  /**
   * Acknowledge an alert
   * @remarks The console then shows it on Overview only. The first acknowledgement stays.
   */
  @Post(':id/acknowledge')
  @HttpCode(200)
  @ApiProblems('alert_not_found')
  async acknowledgeAlert(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<AlertDto> {
    return toAlertDto(await this.adminAlerts.acknowledge(byApi(caller), id));
  }
}
