import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import { IsServiceName } from '../../access/service-name.js';
import {
  DISABLED_REASONS,
  ENDPOINT_STATES,
  overlapEndOf,
  PAYLOAD_FORMATS,
  shownUrl,
  type AdminEndpoint,
  type DisabledReason,
  type EndpointHealth,
  type PayloadFormat,
} from '../../deliveries/deliveries-admin.service.js';
import { IsWholeNumber } from '../../platform/http/whole-number.js';

export class AdminEndpointsQuery {
  /** @example 'invoices' */
  @IsOptional()
  @IsServiceName()
  service?: string;

  /** `failing`: the last attempt failed. */
  @IsOptional()
  @IsIn(ENDPOINT_STATES)
  state?: EndpointHealth;

  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

/** An endpoint as admins see it. */
export class AdminEndpointDto {
  /** UUIDv7 */
  @ApiProperty({ format: 'uuid' })
  id!: string;

  /** @example 'invoices' */
  service!: string;

  /** Without its query, which may hold a secret. */
  url!: string;

  description!: string | null;

  /** `failing`: the last attempt failed. */
  @ApiProperty({ enum: ENDPOINT_STATES })
  state!: EndpointHealth;

  /** `service`: its service disabled it. `failing`: it failed for too long. `gone`: it answered 410. `admin`: an admin disabled it. */
  @ApiProperty({ enum: DISABLED_REASONS, type: String, nullable: true })
  disabledReason!: DisabledReason | null;

  disabledAt!: Date | null;

  /** First failed attempt since the last success. */
  failingSince!: Date | null;

  @ApiProperty({ type: 'integer' })
  consecutiveFailures!: number;

  /** After repeated failures nothing is sent until then. */
  pausedUntil!: Date | null;

  lastSuccessAt!: Date | null;

  lastFailureAt!: Date | null;

  /** Deliveries that wait; 10000 stands for more. */
  @ApiProperty({ type: 'integer' })
  pendingDeliveries!: number;

  /** Deliveries whose last attempt failed; 10000 stands for more. */
  @ApiProperty({ type: 'integer' })
  failedDeliveries!: number;

  /** How many of the last 200 events of its service were sent to it, each counted once. */
  @ApiProperty({ type: 'integer' })
  recentlySent!: number;

  /** How many of these are delivered. One that is sent again is not until it arrives. */
  @ApiProperty({ type: 'integer' })
  recentlyDelivered!: number;

  @ApiProperty({ type: [String], nullable: true })
  eventTypes!: string[] | null;

  @ApiProperty({ type: [String], nullable: true })
  channels!: string[] | null;

  @ApiProperty({ type: [String], nullable: true })
  jobTypes!: string[] | null;

  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  metadata!: unknown;

  @ApiProperty({ type: 'integer', nullable: true })
  rateLimitPerSecond!: number | null;

  @ApiProperty({ type: 'array', items: { type: 'number', format: 'double' }, nullable: true })
  retrySchedule!: number[] | null;

  /** The body that it gets: the gateway’s event, or that of Reducto’s webhooks. */
  @ApiProperty({ enum: PAYLOAD_FORMATS })
  payloadFormat!: PayloadFormat;

  includeResult!: boolean;

  /** Until then the previous secret signs too. */
  previousSecretUntil!: Date | null;

  createdAt!: Date;

  updatedAt!: Date;
}

export class AdminEndpointPageDto {
  endpoints!: AdminEndpointDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export function toAdminEndpointDto(found: AdminEndpoint): AdminEndpointDto {
  const { endpoint, state, backlog, recent } = found;
  const { metadata } = endpoint;
  return {
    id: endpoint.id,
    service: endpoint.service,
    url: shownUrl(endpoint.url),
    description: endpoint.description,
    state,
    disabledReason: endpoint.disabledReason,
    disabledAt: endpoint.disabledAt,
    failingSince: endpoint.failingSince,
    consecutiveFailures: endpoint.consecutiveFailures,
    pausedUntil: endpoint.pausedUntil,
    lastSuccessAt: endpoint.lastSuccessAt,
    lastFailureAt: endpoint.lastFailureAt,
    pendingDeliveries: backlog.pending,
    failedDeliveries: backlog.failed,
    recentlySent: recent.sent,
    recentlyDelivered: recent.delivered,
    eventTypes: endpoint.eventTypes,
    channels: endpoint.channels,
    jobTypes: endpoint.jobTypes,
    metadata: metadata === null ? null : JSON.parse(metadata),
    rateLimitPerSecond: endpoint.rateLimitPerSecond,
    retrySchedule: endpoint.retrySchedule,
    payloadFormat: endpoint.payloadFormat,
    includeResult: endpoint.includeResult,
    previousSecretUntil: overlapEndOf(endpoint),
    createdAt: endpoint.createdAt,
    updatedAt: endpoint.updatedAt,
  };
}

/** @param found one more than `limit` if there is a next page */
export function toAdminEndpointPageDto(
  found: readonly AdminEndpoint[],
  limit: number,
): AdminEndpointPageDto {
  const page = found.slice(0, limit);
  return {
    endpoints: page.map(toAdminEndpointDto),
    nextCursor: found.length > limit ? (page.at(-1)?.endpoint.id ?? null) : null,
  };
}
