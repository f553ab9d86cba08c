import { IsIn, IsNumberString, IsOptional, IsUUID, Matches, MaxLength } from 'class-validator';
import { IsWholeNumber } from '../platform/http/whole-number.js';
import { IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_RULE } from './api/idempotency-key.js';
import { JOB_STATUSES, type JobStatus } from './job-status.js';
import { JOB_TYPES, type JobType } from './job-type.js';

export class WaitQuery {
  /** Maximum number of seconds to wait for the job to end. */
  @IsOptional()
  @IsWholeNumber(0, 60)
  wait: number = 0;
}

export class ListJobsQuery {
  @IsOptional()
  @IsIn(JOB_STATUSES)
  status?: JobStatus;

  @IsOptional()
  @IsIn(JOB_TYPES)
  type?: JobType;

  /** Only the job that was submitted with this `Idempotency-Key`. */
  @IsOptional()
  @Matches(IDEMPOTENCY_KEY, { message: IDEMPOTENCY_KEY_RULE })
  idempotencyKey?: string;

  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

export class EventsQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsNumberString({ no_symbols: true })
  @MaxLength(18)
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 100;
}
