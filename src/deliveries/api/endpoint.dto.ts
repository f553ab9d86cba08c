import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { CHANNEL, MAX_CHANNELS } from '../../jobs/job-ends.js';
import { IsWholeNumber } from '../../platform/http/whole-number.js';
import { JOB_TYPES } from '../../jobs/job-type.js';
import {
  DISABLED_REASONS,
  hasSvixHeaders,
  overlapEndOf,
  PAYLOAD_FORMATS,
  type DisabledReason,
  type PayloadFormat,
} from '../endpoints/endpoint.entity.js';
import {
  MAX_DESCRIPTION,
  MAX_RATE,
  MAX_RETRIES,
  MAX_RETRY_SECONDS,
  MAX_URL,
} from '../endpoints/endpoint-input.js';
import type { EndpointState, NewEndpoint } from '../endpoints.service.js';
import { EVENT_TYPES } from '../events/event.entity.js';

const DAY_SECONDS = 86_400;
const MAX_OVERLAP_SECONDS = 7 * DAY_SECONDS;

/** What is absent has its default; null resets it. `readFields` validates it. */
export class ChangeEndpointDto {
  /** Where events are posted to, by https; plain http only to networks that the operator lists. */
  @ApiPropertyOptional({ maxLength: MAX_URL, example: 'https://invoices.example.com/events' })
  url?: string;

  @ApiPropertyOptional({ type: String, nullable: true, maxLength: MAX_DESCRIPTION })
  description?: string | null;

  /** Whether it gets events. While it does not, deliveries wait; enabling sends them. */
  @ApiPropertyOptional({ type: Boolean, nullable: true, default: true })
  enabled?: boolean | null;

  /** Only these types; null: all. */
  @ApiPropertyOptional({ type: [String], enum: EVENT_TYPES, nullable: true, minItems: 1 })
  eventTypes?: string[] | null;

  /** Only jobs with one of these channels; null: all jobs. */
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'string', pattern: CHANNEL.source },
    nullable: true,
    minItems: 1,
    maxItems: MAX_CHANNELS,
  })
  channels?: string[] | null;

  /** Only jobs of these types; null: all. */
  @ApiPropertyOptional({ type: [String], enum: JOB_TYPES, nullable: true, minItems: 1 })
  jobTypes?: string[] | null;

  /** Only jobs whose metadata has all these members with the same values. */
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    example: { tenant: 'north' },
  })
  metadata?: Record<string, unknown> | null;

  /** Request headers of your own, such as credentials. Their values are not shown again. */
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    nullable: true,
    example: { authorization: 'Bearer …' },
  })
  headers?: Record<string, string> | null;

  /** Maximum requests per second; null: no limit. */
  @ApiPropertyOptional({ type: 'integer', nullable: true, minimum: 1, maximum: MAX_RATE })
  rateLimitPerSecond?: number | null;

  /** Seconds after each failed attempt; the first attempt is immediate. Null: 5, 300, 1800, 7200, 18000, 36000, 36000. */
  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'number', format: 'double', minimum: 0, maximum: MAX_RETRY_SECONDS },
    nullable: true,
    maxItems: MAX_RETRIES,
  })
  retrySchedule?: number[] | null;

  /**
   * The body: `event` is the gateway’s; `reducto` is that of Reducto’s webhooks, `{status, job_id, metadata}`, with the
   * headers `svix-*`. An endpoint in the form of Reducto gets the ends of jobs alone, and no results.
   */
  @ApiPropertyOptional({
    enum: PAYLOAD_FORMATS,
    type: String,
    nullable: true,
    default: 'event',
  })
  payloadFormat?: PayloadFormat | null;

  /** Whether `job.completed` contains the result, if it has at most 256 KB; not in the form of Reducto. */
  @ApiPropertyOptional({ type: Boolean, nullable: true, default: false })
  includeResult?: boolean | null;

  /** Whether the signature is also in the headers `svix-*`; in the form of Reducto it always is. */
  @ApiPropertyOptional({ type: Boolean, nullable: true, default: false })
  svixHeaders?: boolean | null;
}

export class CreateEndpointDto extends ChangeEndpointDto {
  @ApiProperty({ maxLength: MAX_URL, example: 'https://invoices.example.com/events' })
  declare url: string;
}

const STATES = ['active', 'failing', 'disabled'] as const;

export class EndpointDto {
  /** UUIDv7 */
  @ApiProperty({ format: 'uuid' })
  id!: string;

  url!: string;

  description!: string | null;

  enabled!: boolean;

  /** `failing`: its last attempt failed. */
  @ApiProperty({ enum: STATES })
  state!: (typeof STATES)[number];

  /** `service`: you disabled it. `failing`: it failed for too long. `gone`: it answered 410. `admin`: an admin disabled it. */
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

  @ApiProperty({ type: [String], nullable: true })
  eventTypes!: string[] | null;

  @ApiProperty({ type: [String], nullable: true })
  channels!: string[] | null;

  @ApiProperty({ type: [String], nullable: true })
  jobTypes!: string[] | null;

  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  metadata!: unknown;

  /** Names of your own headers. */
  headerNames!: string[];

  @ApiProperty({ type: 'integer', nullable: true })
  rateLimitPerSecond!: number | null;

  @ApiProperty({ type: 'array', items: { type: 'number', format: 'double' }, nullable: true })
  retrySchedule!: number[] | null;

  /** The body that it gets. */
  @ApiProperty({ enum: PAYLOAD_FORMATS })
  payloadFormat!: PayloadFormat;

  includeResult!: boolean;

  /** Whether it gets the headers `svix-*`. */
  svixHeaders!: boolean;

  /** Until then the previous secret signs too. */
  previousSecretUntil!: Date | null;

  createdAt!: Date;

  updatedAt!: Date;
}

export class NewEndpointDto extends EndpointDto {
  /**
   * The signing secret (Standard Webhooks). It is shown only now.
   * @example 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDMfDUEmyA0dE='
   */
  secret!: string;
}

export class EndpointPageDto {
  endpoints!: EndpointDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export class ListEndpointsQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

export class RotateSecretDto {
  /** For how long the previous secret signs too. */
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: MAX_OVERLAP_SECONDS,
    default: DAY_SECONDS,
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_OVERLAP_SECONDS)
  overlapSeconds: number = DAY_SECONDS;
}

export function toEndpointDto({ endpoint, headerNames, backlog }: EndpointState): EndpointDto {
  const { enabled, failingSince, metadata } = endpoint;
  return {
    id: endpoint.id,
    url: endpoint.url,
    description: endpoint.description,
    enabled,
    state: enabled ? (failingSince === null ? 'active' : 'failing') : 'disabled',
    disabledReason: endpoint.disabledReason,
    disabledAt: endpoint.disabledAt,
    failingSince,
    consecutiveFailures: endpoint.consecutiveFailures,
    pausedUntil: endpoint.pausedUntil,
    lastSuccessAt: endpoint.lastSuccessAt,
    lastFailureAt: endpoint.lastFailureAt,
    pendingDeliveries: backlog.pending,
    failedDeliveries: backlog.failed,
    eventTypes: endpoint.eventTypes,
    channels: endpoint.channels,
    jobTypes: endpoint.jobTypes,
    metadata: metadata === null ? null : JSON.parse(metadata),
    headerNames: [...headerNames],
    rateLimitPerSecond: endpoint.rateLimitPerSecond,
    retrySchedule: endpoint.retrySchedule,
    payloadFormat: endpoint.payloadFormat,
    includeResult: endpoint.includeResult,
    svixHeaders: hasSvixHeaders(endpoint),
    previousSecretUntil: overlapEndOf(endpoint),
    createdAt: endpoint.createdAt,
    updatedAt: endpoint.updatedAt,
  };
}

export function toNewEndpointDto(created: NewEndpoint): NewEndpointDto {
  return Object.assign(toEndpointDto(created), { secret: created.secret });
}

export function toEndpointPageDto(found: readonly EndpointState[], limit: number): EndpointPageDto {
  const page = found.slice(0, limit);
  return {
    endpoints: page.map(toEndpointDto),
    nextCursor: found.length > limit ? (page.at(-1)?.endpoint.id ?? null) : null,
  };
}
