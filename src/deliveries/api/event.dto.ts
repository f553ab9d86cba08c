import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID, Matches } from 'class-validator';
import { JsonAnswer } from '../../platform/http/json-answer.js';
import { IsWholeNumber } from '../../platform/http/whole-number.js';
import { appendMembers } from '../../platform/json/json-edits.js';
import { EVENT_TYPES, type EventType } from '../events/event.entity.js';
import { SHOWN_STATUSES, type ShownStatus } from '../events/events.store.js';
import type { EventPage, ShownDelivery, ShownEvent } from '../events.service.js';

export class ListEventsQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  /** Oldest first, from after this `nextCursor` that you have kept; `0` begins with the first event. */
  @IsOptional()
  @Matches(/^(?:0|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i, {
    message: 'must be the id of an event, or 0',
  })
  after?: string;

  /** Only with `after`: maximum number of seconds to wait for the next event. */
  @IsOptional()
  @IsWholeNumber(0, 60)
  wait: number = 0;

  @IsOptional()
  @IsIn(EVENT_TYPES)
  type?: EventType;

  @IsOptional()
  @IsUUID()
  jobId?: string;

  /** Only events with a delivery to this endpoint. */
  @IsOptional()
  @IsUUID()
  endpointId?: string;

  /** Only events with a delivery of this status. */
  @IsOptional()
  @IsIn(SHOWN_STATUSES)
  status?: ShownStatus;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

export class DeliveryDto implements Omit<ShownDelivery, 'url'> {
  @ApiProperty({ format: 'uuid' })
  endpointId!: string;

  /** `failed`: the last attempt failed. `cancelled`: the endpoint was deleted before. */
  @ApiProperty({ enum: SHOWN_STATUSES })
  status!: ShownStatus;

  @ApiProperty({ type: 'integer' })
  attempts!: number;

  /** Null if an attempt is under way, and while the endpoint is disabled. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextAttemptAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  endedAt!: string | null;
}

export class EventDto {
  /** UUIDv7; the `webhook-id` of all its deliveries. */
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ enum: EVENT_TYPES })
  type!: EventType;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  jobId!: string | null;

  createdAt!: Date;

  deliveries!: DeliveryDto[];
}

export class EventWithBodyDto extends EventDto {
  /** What endpoints with the payload format `event` get; without the result. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  body!: Record<string, unknown>;
}

export class EventPageDto {
  /** With a filter, a page can be empty although others follow. */
  events!: EventDto[];

  /** Newest first: pass it as `cursor`; null on the last page. With `after`: pass it as `after`; never null. */
  nextCursor!: string | null;
}

export function toEventDto({ id, type, jobId, createdAt, deliveries }: ShownEvent): EventDto {
  return {
    id,
    type,
    jobId,
    createdAt,
    deliveries: deliveries.map(({ endpointId, status, attempts, nextAttemptAt, endedAt }) => ({
      endpointId,
      status,
      attempts,
      nextAttemptAt,
      endedAt,
    })),
  };
}

export function toEventPageDto({ events, next }: EventPage): EventPageDto {
  return { events: events.map(toEventDto), nextCursor: next };
}

/** The body is as it is stored. */
export function eventAnswer(event: ShownEvent & { readonly body: string }): JsonAnswer {
  return new JsonAnswer(appendMembers(JSON.stringify(toEventDto(event)), { body: event.body }));
}
