import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { DeliveriesAdminService } from '../../deliveries/deliveries-admin.service.js';
import { RecoverDto, RecoveryDto, TestEventDto } from '../../deliveries/resend.dto.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { readMoment } from '../../platform/http/moment.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { byApi } from '../admin-actions.js';
import { AdminDeliveries } from '../admin-deliveries.js';
import {
  AdminEndpointDto,
  AdminEndpointPageDto,
  AdminEndpointsQuery,
  toAdminEndpointDto,
  toAdminEndpointPageDto,
} from './endpoint.dto.js';

@Controller('v1/admin/endpoints')
@RequiresScope('admin')
@ApiTags('Admin')
export class AdminEndpointsController {
  constructor(
    private readonly reads: DeliveriesAdminService,
    private readonly deliveries: AdminDeliveries,
  ) {}

  /** List the endpoints of all services with their health, oldest first */
  @Get()
  async listAllEndpoints(
    @Query() { cursor, limit, ...search }: AdminEndpointsQuery,
  ): Promise<AdminEndpointPageDto> {
    return toAdminEndpointPageDto(await this.reads.listEndpoints(search, cursor, limit + 1), limit);
  }

  /** Read an endpoint of any service */
  @Get(':id')
  @ApiProblems('endpoint_not_found')
  async getAnyEndpoint(@UuidParam() id: string): Promise<AdminEndpointDto> {
    return toAdminEndpointDto(await this.reads.getEndpoint(id));
  }

  /**
   * Enable an endpoint of any service
   * @remarks It also gets what it has missed.
   */
  @Post(':id/enable')
  @HttpCode(200)
  @ApiProblems('endpoint_not_found')
  async enableAnyEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<AdminEndpointDto> {
    return toAdminEndpointDto(await this.deliveries.enable(byApi(caller), id));
  }

  /**
   * Disable an endpoint of any service
   * @remarks Its deliveries wait. Its service can enable it again.
   */
  @Post(':id/disable')
  @HttpCode(200)
  @ApiProblems('endpoint_not_found')
  async disableAnyEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<AdminEndpointDto> {
    return toAdminEndpointDto(await this.deliveries.disable(byApi(caller), id));
  }

  /**
   * Enable an endpoint of any service and send what it has missed
   * @remarks Each event since `since` that was not delivered is sent again, once, with the same id.
   */
  @Post(':id/recover')
  @HttpCode(202)
  @ApiAcceptedResponse({
    type: RecoveryDto,
    description: 'How many deliveries are sent again.',
  })
  @ApiProblems('validation_failed', 'endpoint_not_found')
  async recoverAnyEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Body() { since, dryRun }: RecoverDto,
  ): Promise<RecoveryDto> {
    const begin = readMoment(since) ?? new Date(since);
    const deliveries = dryRun
      ? await this.deliveries.countRecoverable(id, begin)
      : await this.deliveries.recover(byApi(caller), id, begin);
    return { deliveries, dryRun };
  }

  /**
   * Send a test event to an endpoint of any service
   * @remarks `GET /v1/admin/events/{eventId}/attempts` shows the outcome.
   */
  @Post(':id/test')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: TestEventDto, description: 'The event, which is sent now.' })
  @ApiProblems('endpoint_not_found', 'endpoint_disabled')
  async testAnyEndpoint(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
  ): Promise<TestEventDto> {
    return { eventId: await this.deliveries.test(byApi(caller), id) };
  }
}
