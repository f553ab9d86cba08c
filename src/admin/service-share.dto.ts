import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min, ValidateIf } from 'class-validator';
import { IsServiceName } from '../access/service-name.js';
import type { ServiceLimits, ServiceShare } from '../jobs/service-limits.service.js';

const MAX_WEIGHT = 1000;
const MAX_LIMIT = 1_000_000_000;

export class ServiceParam {
  /** @example 'invoices' */
  @IsServiceName()
  service!: string;
}

const IfGiven = (): PropertyDecorator => ValidateIf((_body, value) => value !== undefined);

/** A whole number, or null for no limit. */
const IsLimit = (): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({
      type: 'integer',
      minimum: 1,
      maximum: MAX_LIMIT,
      nullable: true,
      default: null,
    }),
    ValidateIf((_body, value) => value !== undefined && value !== null),
    IsInt(),
    Min(1),
    Max(MAX_LIMIT),
  );

/** What is absent has its default. */
export class ServiceLimitsDto {
  /** Share of the slots, relative to that of the other services. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MAX_WEIGHT, default: 1 })
  @IfGiven()
  @IsInt()
  @Min(1)
  @Max(MAX_WEIGHT)
  weight?: number;

  /** Maximum number of jobs that are being sent, submitted, or uncertain. Null: no limit. */
  @IsLimit()
  maxInFlight?: number | null;

  /** Maximum number of queued jobs. Beyond it, a submit is answered with 429. Null: no limit. */
  @IsLimit()
  maxQueued?: number | null;
}

export class ServiceShareDto {
  /** @example 'invoices' */
  service!: string;

  @ApiProperty({ type: 'integer' })
  weight!: number;

  @ApiProperty({ type: 'integer', nullable: true })
  maxInFlight!: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  maxQueued!: number | null;

  /** Number of queued jobs. */
  @ApiProperty({ type: 'integer' })
  queued!: number;

  /** Number of jobs that are being sent, submitted, or uncertain. */
  @ApiProperty({ type: 'integer' })
  inFlight!: number;
}

export class ServiceShareListDto {
  services!: ServiceShareDto[];
}

export function toServiceLimits(body: ServiceLimitsDto): ServiceLimits {
  const { weight = 1, maxInFlight = null, maxQueued = null } = body;
  return { weight, maxInFlight, maxQueued };
}

export function toServiceShareDto(share: ServiceShare): ServiceShareDto {
  const { service, weight, maxInFlight, maxQueued, queued, inFlight } = share;
  return { service, weight, maxInFlight, maxQueued, queued, inFlight };
}
