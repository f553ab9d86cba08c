import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsNumberString, IsOptional, IsUUID, Matches, MaxLength } from 'class-validator';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { IsWholeNumber } from '../platform/http/whole-number.js';
import { appendMembers } from '../platform/json/json-edits.js';
import { IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_RULE } from './api/idempotency-key.js';
import { MissingFileDto } from './files/file.dto.js';
import { JOB_EVENT_TYPES, type JobEventType } from './timeline/job-event.entity.js';
import { JOB_STATUSES, type JobStatus } from './job-status.js';
import { JOB_TYPES, type JobType } from './job-type.js';
import type { UpstreamFieldError } from '../reducto/upstream-error.js';
import { JOB_ERROR_CODES, type JobError, type JobErrorCode } from './job-error.js';
import type { Job, SettledBy } from './job.entity.js';
import type { TimelineEntry } from './timeline/timeline.js';

const ANY_JSON = [
  { type: 'object', additionalProperties: true },
  { type: 'array', items: {} },
  { type: 'string' },
  { type: 'number', format: 'double' },
  { type: 'boolean' },
  { type: 'null' },
];

class UpstreamFieldErrorDto implements UpstreamFieldError {
  @ApiProperty({
    type: 'array',
    items: { oneOf: [{ type: 'string' }, { type: 'number' }] },
    example: ['body', 'settings', 'page_range'],
  })
  loc!: readonly (string | number)[];

  /** @example 'Input should be a valid list' */
  msg!: string;

  /** @example 'list_type' */
  type!: string;
}

class JobErrorDto implements JobError {
  /** Stable; programs branch on it. */
  @ApiProperty({ enum: JOB_ERROR_CODES })
  code!: JobErrorCode;

  /**
   * For people; Reducto’s own message if it gave one.
   * @example 'The document cannot be opened.'
   */
  message!: string;

  /**
   * Reducto’s own name for the error.
   * @example 'DOCUMENT_CORRUPT'
   */
  upstreamName?: string;

  /**
   * HTTP status of the error at Reducto, where it is known.
   * @example 415
   */
  upstreamStatus?: number;

  /** What Reducto found in a request that it refused with 422. */
  @ApiProperty({ type: [UpstreamFieldErrorDto] })
  upstreamFields?: readonly UpstreamFieldErrorDto[];

  /** Whether the same request may succeed as a new job. */
  retryable!: boolean;
}

/** A job as its service sees it. */
export class JobDto {
  /**
   * UUIDv7
   * @example '01a20824-4a5b-7c31-9f0e-6d2b8c1e7a90'
   */
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ enum: JOB_TYPES, example: 'parse' })
  type!: JobType;

  @ApiProperty({ enum: JOB_STATUSES, example: 'completed' })
  status!: JobStatus;

  /** Why the job did not complete; while it is deferred, why and until when. For people; programs use `error.code`. */
  reason!: string | null;

  error!: JobErrorDto | null;

  /** How much of the job Reducto has done, as of the last poll that found it open; null if Reducto does not say. */
  @ApiProperty({ format: 'double', minimum: 0, maximum: 1 })
  progress!: number | null;

  /**
   * The metadata that the job was submitted with: an object, or any JSON of a job that Reducto’s SDK submitted.
   * @example {"invoice":815}
   */
  @ApiProperty({ anyOf: ANY_JSON })
  metadata!: unknown;

  priority!: boolean;

  /** How the gateway learned of the end: from a callback, a poll, the answer to the submit, or a cancel before it. */
  settledBy!: SettledBy | null;

  /** @example '2026-11-25T18:13:00.000Z' */
  createdAt!: Date;

  submittedAt!: Date | null;

  cancelRequestedAt!: Date | null;

  endedAt!: Date | null;

  /** Files that the result links to and that could not be fetched, at most 100. Their links stay in the result, and expire. */
  @ApiProperty({ type: [MissingFileDto] })
  missingFiles!: readonly MissingFileDto[];

  /** When the result was deleted because of its age. Requests for it then answer 410 `result_expired`. */
  resultExpiredAt!: Date | null;
}

/** A job whose deletion has begun. */
export class DeletedJobDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;
}

export class JobPageDto {
  jobs!: JobDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export class JobEventDto {
  at!: Date;

  @ApiProperty({ enum: JOB_EVENT_TYPES })
  type!: JobEventType;

  detail!: Record<string, unknown>;
}

export class JobEventPageDto {
  events!: JobEventDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

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

/** Why the job did not complete, or why and until when it is deferred. */
export function reasonOf({ error, deferralReason, deferredUntil }: Job): string | null {
  if (error !== null) return error.message;
  if (deferralReason === null || deferredUntil === null) return null;
  return `${deferralReason} at ${deferredUntil.toISOString()}.`;
}

/** A job as its service sees it, with unchanged metadata. */
export function jobAnswer(job: Job): JsonAnswer {
  return new JsonAnswer(jobText(job));
}

export function pageAnswer(jobs: readonly Job[], limit: number): JsonAnswer {
  const page = jobs.slice(0, limit);
  const nextCursor = jobs.length > limit ? (page.at(-1)?.id ?? null) : null;
  const list = page.map(jobText).join(',');
  return new JsonAnswer(`{"jobs":[${list}],"nextCursor":${JSON.stringify(nextCursor)}}`);
}

/** The JSON of a `JobDto`. */
export function jobText(job: Job): string {
  const dto: Omit<JobDto, 'metadata'> = {
    id: job.id,
    type: job.type,
    status: job.status,
    reason: reasonOf(job),
    error: job.error,
    progress: job.progress,
    priority: job.priority,
    settledBy: job.settledBy,
    createdAt: job.createdAt,
    submittedAt: job.submittedAt,
    cancelRequestedAt: job.cancelRequestedAt,
    endedAt: job.endedAt,
    missingFiles: job.missingFiles ?? [],
    resultExpiredAt: job.resultExpiredAt,
  };
  return appendMembers(JSON.stringify(dto), { metadata: job.metadata ?? 'null' });
}

export function toJobEventPageDto(
  events: readonly TimelineEntry[],
  limit: number,
): JobEventPageDto {
  const page = events.slice(0, limit);
  return {
    events: page.map(toJobEventDto),
    nextCursor: events.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

function toJobEventDto({ at, type, detail }: TimelineEntry): JobEventDto {
  return { at, type, detail };
}
