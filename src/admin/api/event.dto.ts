import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { IsServiceName } from '../../access/service-name.js';
import {
  EVENT_TYPES,
  SHOWN_STATUSES,
  shownUrl,
  type EventPage,
  type EventType,
  type ShownEvent,
  type ShownStatus,
} from '../../deliveries/deliveries-admin.service.js';
import { IsWholeNumber } from '../../platform/http/whole-number.js';

export class AdminEventsQuery {
  /** @example 'invoices' */
  @IsOptional()
  @IsServiceName()
  service?: string;

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

  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

class AdminDeliveryDto {
  @ApiProperty({ format: 'uuid' })
  endpointId!: string;

  /** Without its query, which may hold a secret; null if the endpoint was deleted. */
  url!: string | null;

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

/** An event as admins see it. */
export class AdminEventDto {
  /** UUIDv7; the `webhook-id` of all its deliveries. */
  @ApiProperty({ format: 'uuid' })
  id!: string;

  /** @example 'invoices' */
  service!: string;

  @ApiProperty({ enum: EVENT_TYPES })
  type!: EventType;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  jobId!: string | null;

  /** The endpoint that the event is about; only of the types `endpoint.*`. */
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  endpointId!: string | null;

  createdAt!: Date;

  deliveries!: AdminDeliveryDto[];
}

export class AdminEventPageDto {
  /** With a filter, a page can be empty although others follow. */
  events!: AdminEventDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export function toAdminEventDto(event: ShownEvent): AdminEventDto {
  return {
    id: event.id,
    service: event.service,
    type: event.type,
    jobId: event.jobId,
    endpointId: event.endpointId,
    createdAt: event.createdAt,
    deliveries: event.deliveries.map(({ url, ...delivery }) => ({
      ...delivery,
      url: url === null ? null : shownUrl(url),
    })),
  };
}

export function toAdminEventPageDto({ events, next }: EventPage): AdminEventPageDto {
  return { events: events.map(toAdminEventDto), nextCursor: next };
}
