import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsNumberString, IsOptional, IsUUID, Matches, MaxLength } from 'class-validator';
import { IsWholeNumber } from '../platform/http/whole-number.js';
import { IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_RULE } from './api/idempotency-key.js';
import { JOB_STATUSES, type JobStatus } from './job-status.js';
import { JOB_TYPES, type JobType } from './job-type.js';

export class WaitQuery {
  @IsOptional()
  @IsWholeNumber(0, 60)
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: 60,
    default: 0,
    description: 'Maximum number of seconds to wait for the job to end.',
  })
  wait?: number;
}

export class ListJobsQuery {
  @IsOptional()
  @IsIn(JOB_STATUSES)
  @ApiPropertyOptional({ enum: JOB_STATUSES })
  status?: JobStatus;

  @IsOptional()
  @IsIn(JOB_TYPES)
  @ApiPropertyOptional({ enum: JOB_TYPES })
  type?: JobType;

  @IsOptional()
  @Matches(IDEMPOTENCY_KEY, { message: IDEMPOTENCY_KEY_RULE })
  @ApiPropertyOptional({
    description: 'Only the job that was submitted with this `Idempotency-Key`.',
  })
  idempotencyKey?: string;

  @IsOptional()
  @IsUUID()
  @ApiPropertyOptional({ description: '`nextCursor` of the previous page.' })
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  limit?: number;
}

export class EventsQuery {
  @IsOptional()
  @IsNumberString({ no_symbols: true })
  @MaxLength(18)
  @ApiPropertyOptional({ description: '`nextCursor` of the previous page.' })
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 100 })
  limit?: number;
}
