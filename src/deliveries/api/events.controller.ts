import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { RequiresScope } from '../../access/api-key.guard.js';
import type { Caller } from '../../access/caller.js';
import { CurrentCaller } from '../../access/caller.decorator.js';
import { ClientSignal } from '../../platform/client-signal.js';
import { ApiProblems } from '../../platform/errors/api-problems.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import type { JsonAnswer } from '../../platform/http/json-answer.js';
import { UuidParam } from '../../platform/http/uuid-param.decorator.js';
import { AttemptPageDto, AttemptsQuery, toAttemptPageDto } from '../attempt.dto.js';
import { ResendDto, ResentDto } from '../resend.dto.js';
import { EventsService } from '../events.service.js';
import {
  eventAnswer,
  EventPageDto,
  EventWithBodyDto,
  ListEventsQuery,
  toEventPageDto,
} from './event.dto.js';

@Controller('v1/events')
@RequiresScope('jobs')
@ApiTags('Events')
export class EventsController {
  constructor(private readonly events: EventsService) {}

  /**
   * List your events, or follow them
   * @remarks Newest first. With `after`, oldest first: keep `nextCursor` and pass it as the next `after`; with `wait`, the request waits for the next event. No event appears before one that was answered already. A filter by `endpointId`, `status`, or `job.completed` examines up to 5,000 events per request, so that pages can be empty: continue with `nextCursor`.
   */
  @Get()
  async listEvents(
    @CurrentCaller() { service }: Caller,
    @Query() { cursor, after, wait, limit, ...filter }: ListEventsQuery,
    @ClientSignal() signal: AbortSignal,
  ): Promise<EventPageDto> {
    if (after === undefined) {
      if (wait > 0) throw new GatewayError('invalid_query', '`wait` needs `after`.');
      const page = { before: cursor };
      return toEventPageDto(await this.events.list(service, filter, page, limit));
    }
    if (cursor !== undefined) {
      throw new GatewayError('invalid_query', 'Give either `cursor` or `after`.');
    }
    const feed = { seconds: wait, signal };
    return toEventPageDto(await this.events.readFeed(service, filter, after, limit, feed));
  }

  /** Read an event with its body and its deliveries */
  @Get(':id')
  @ApiOkResponse({ type: EventWithBodyDto })
  @ApiProblems('event_not_found')
  async getEvent(@CurrentCaller() caller: Caller, @UuidParam() id: string): Promise<JsonAnswer> {
    return eventAnswer(await this.events.get(caller.service, id));
  }

  /** Read the attempts to deliver an event, oldest first */
  @Get(':id/attempts')
  @ApiProblems('event_not_found')
  async listAttempts(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Query() { cursor, limit }: AttemptsQuery,
  ): Promise<AttemptPageDto> {
    const found = await this.events.listAttempts(caller.service, id, cursor, limit + 1);
    return toAttemptPageDto(found, limit);
  }

  /**
   * Send an event again
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
  async resendEvent(
    @CurrentCaller() caller: Caller,
    @UuidParam() id: string,
    @Body() { endpointId }: ResendDto,
  ): Promise<ResentDto> {
    return { endpointIds: await this.events.resend(caller.service, id, endpointId ?? null) };
  }
}
