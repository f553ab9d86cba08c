import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { DeliveriesAdminService } from '../../deliveries/deliveries-admin.service.js';
import { EventsService } from '../../deliveries/events.service.js';
import { AttemptPageDto, AttemptsQuery, toAttemptPageDto } from '../../deliveries/attempt.dto.js';
import { ResendDto, ResentDto } from '../../deliveries/resend.dto.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { byApi } from '../admin-actions.js';
import { AdminDeliveries } from '../admin-deliveries.js';
import {
  AdminEventDto,
  AdminEventPageDto,
  AdminEventsQuery,
  toAdminEventDto,
  toAdminEventPageDto,
} from './event.dto.js';

@Controller('v1/admin/events')
@RequiresScope('admin')
@ApiTags('Admin')
export class AdminEventsController {
  constructor(
    private readonly reads: DeliveriesAdminService,
    private readonly events: EventsService,
    private readonly deliveries: AdminDeliveries,
  ) {}

  /**
   * List the events of all services, newest first
   * @remarks A filter by `endpointId`, `status`, or `job.completed` examines up to 5,000 events per request, so that pages can be empty: continue with `nextCursor`.
   */
  @Get()
  async listAllEvents(
    @Query() { cursor, limit, ...search }: AdminEventsQuery,
  ): Promise<AdminEventPageDto> {
    return toAdminEventPageDto(await this.reads.listEvents(search, cursor, limit));
  }

  /** Read an event of any service with its deliveries */
  @Get(':id')
  @ApiProblems('event_not_found')
  async getAnyEvent(@UuidParam() id: string): Promise<AdminEventDto> {
    return toAdminEventDto(await this.reads.getEvent(id));
  }

  /** Read the attempts to deliver an event of any service, oldest first */
  @Get(':id/attempts')
  @ApiProblems('event_not_found')
  async listAnyEventAttempts(
    @UuidParam() id: string,
    @Query() { cursor, limit }: AttemptsQuery,
  ): Promise<AttemptPageDto> {
    return toAttemptPageDto(await this.events.listAttempts(null, id, cursor, limit + 1), limit);
  }

  /**
   * Send an event of any service again
   * @remarks With the same id. It is retried as the first time.
   */
  @Post(':id/resend')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: ResentDto, description: 'The endpoints that get it again.' })
  @ApiProblems(
    'validation_failed',
    'event_not_found',
    'endpoint_not_found',
    'endpoint_disabled',
    'event_not_for_endpoint',
  )
  async resendAnyEvent(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Body() { endpointId }: ResendDto,
  ): Promise<ResentDto> {
    const endpointIds = await this.deliveries.resend(byApi(caller), id, endpointId ?? null);
    return { endpointIds };
  }
}
