import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsNumberString, IsOptional, IsUUID, Matches, MaxLength } from 'class-validator';
import { JsonAnswer } from '../../platform/http/json-answer.js';
import { IsWholeNumber } from '../../platform/http/whole-number.js';
import { appendMembers } from '../../platform/json/json-edits.js';
import { EVENT_TYPES, type EventType } from '../events/event.entity.js';
import { SHOWN_STATUSES, type ShownStatus } from '../events/events.store.js';
import type { Attempt, ShownDelivery, ShownEvent } from '../events.service.js';

export class ListEventsQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  /** Oldest first, from after this event, whose id you have kept; `0` begins with the first event. */
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

export class AttemptsQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsNumberString({ no_symbols: true })
  @MaxLength(18)
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 100;
}

export class DeliveryDto implements ShownDelivery {
  @ApiProperty({ format: 'uuid' })
  endpointId!: string;

  /** `failed`: the last attempt failed. `cancelled`: the endpoint was deleted before. */
  @ApiProperty({ enum: SHOWN_STATUSES })
  status!: ShownStatus;

  @ApiProperty({ type: 'integer' })
  attempts!: number;

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
  /** What is delivered; without the result. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  body!: Record<string, unknown>;
}

export class EventPageDto {
  events!: EventDto[];

  /** Newest first: pass it as `cursor`; null on the last page. With `after`: pass it as `after`; never null. */
  nextCursor!: string | null;
}

export class AttemptDto {
  @ApiProperty({ format: 'uuid' })
  endpointId!: string;

  /** From 1. */
  @ApiProperty({ type: 'integer' })
  attempt!: number;

  at!: Date;

  @ApiProperty({ type: 'integer' })
  durationMs!: number;

  /** HTTP status; null without an answer. */
  @ApiProperty({ type: 'integer', nullable: true })
  status!: number | null;

  /** Why there was no answer; null with an answer. */
  @ApiProperty({ type: String, nullable: true, example: 'connection_refused' })
  errorCode!: string | null;

  /** Why the attempt failed; null if it succeeded. */
  error!: string | null;

  /** Without credentials. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  responseHeaders!: unknown;

  /** Its beginning. */
  responseBody!: string | null;

  /** The worker process. */
  process!: string;
}

export class AttemptPageDto {
  attempts!: AttemptDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export class ResendDto {
  /** The endpoint; default: all enabled endpoints that the event was for. */
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  endpointId?: string;
}

export class ResentDto {
  /** Endpoints that get the event again, with the same id. */
  endpointIds!: string[];
}

export function toEventDto({ id, type, jobId, createdAt, deliveries }: ShownEvent): EventDto {
  return { id, type, jobId, createdAt, deliveries: [...deliveries] };
}

/** A page, newest first. */
export function toEventPageDto(found: readonly ShownEvent[], limit: number): EventPageDto {
  const page = found.slice(0, limit);
  return {
    events: page.map(toEventDto),
    nextCursor: found.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

/** The next events of a feed after the event `after`. */
export function toFeedPageDto(events: readonly ShownEvent[], after: string): EventPageDto {
  return { events: events.map(toEventDto), nextCursor: events.at(-1)?.id ?? after };
}

/** The body is as it was delivered. */
export function eventAnswer(event: ShownEvent & { readonly body: string }): JsonAnswer {
  return new JsonAnswer(appendMembers(JSON.stringify(toEventDto(event)), { body: event.body }));
}

export function toAttemptPageDto(found: readonly Attempt[], limit: number): AttemptPageDto {
  const page = found.slice(0, limit);
  return {
    attempts: page.map(({ responseHeaders, ...attempt }) => ({
      endpointId: attempt.endpointId,
      attempt: attempt.attempt,
      at: attempt.at,
      durationMs: attempt.durationMs,
      status: attempt.status,
      errorCode: attempt.errorCode,
      error: attempt.error,
      responseHeaders: responseHeaders === null ? null : JSON.parse(responseHeaders),
      responseBody: attempt.responseBody,
      process: attempt.process,
    })),
    nextCursor: found.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}
