import { IntersectionType, OmitType, PickType } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { IsServiceName } from '../access/service-name.js';
import { JOB_ERROR_CODES, type JobErrorCode } from '../jobs/job-error.js';
import type { Job } from '../jobs/job.entity.js';
import { JobDto, jobText } from '../jobs/job.dto.js';
import type { JobCallback } from '../webhooks/callback-history.js';
import {
  SEARCHED_STATUSES,
  type JobSearch,
  type Period,
  type SearchedStatus,
} from '../jobs/jobs-admin.service.js';
import { ListJobsQuery } from '../jobs/list-jobs.query.js';
import { IsMoment, readMoment } from '../platform/http/moment.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { appendMembers } from '../platform/json/json-text.js';

/** A filter of jobs; all given fields must match. */
export class AdminCountQuery extends OmitType(ListJobsQuery, [
  'idempotencyKey',
  'status',
  'cursor',
  'limit',
]) {
  /** `unsuccessful`: failed or expired. */
  @IsOptional()
  @IsIn(SEARCHED_STATUSES)
  status?: SearchedStatus;

  /** The beginning of the gateway’s id or of Reducto’s. */
  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  id?: string;

  /** The `error.code` of the job. */
  @IsOptional()
  @IsIn(JOB_ERROR_CODES)
  code?: JobErrorCode;

  /** Accepted at or after this time. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  acceptedFrom?: string;

  /** Accepted before this time. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  acceptedTo?: string;

  /** Ended at or after this time; the last ended job comes first then. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  endedFrom?: string;

  /** Ended before this time; the last ended job comes first then. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  endedTo?: string;

  /** @example 'invoices' */
  @IsOptional()
  @IsServiceName()
  service?: string;

  /** Reducto’s id of the job. */
  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  upstreamId?: string;
}

export class AdminListQuery extends IntersectionType(
  AdminCountQuery,
  PickType(ListJobsQuery, ['cursor', 'limit']),
) {}

export function searchOf(query: AdminCountQuery & { readonly cursor?: string }): JobSearch {
  const { cursor, acceptedFrom, acceptedTo, endedFrom, endedTo, ...filter } = query;
  const accepted = periodOf(acceptedFrom, acceptedTo);
  const ended = periodOf(endedFrom, endedTo);
  return {
    ...filter,
    ...(accepted === undefined ? {} : { accepted }),
    ...(ended === undefined ? {} : { ended }),
    ...(cursor === undefined ? {} : { before: cursor }),
  };
}

function periodOf(first: string | undefined, end: string | undefined): Period | undefined {
  const from = first === undefined ? undefined : readMoment(first);
  const to = end === undefined ? undefined : readMoment(end);
  if (from === undefined && to === undefined) return undefined;
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** A job as admins see it. */
export class AdminJobDto extends JobDto {
  /** @example 'invoices' */
  service!: string;

  /** Reducto’s id of the job. */
  upstreamId!: string | null;

  /** How often the job was sent to Reducto. */
  submitAttempts!: number;

  /** How many polls found the job open. */
  polls!: number;

  /** When the gateway will poll or send the job next. */
  nextPollAt!: Date | null;

  /** When the first callback for the job was accepted. */
  callbackReceivedAt!: Date | null;
}

class ResultFactsDto {
  /** The size of the JSON. */
  bytes!: number;

  /** The pages that Reducto processed; null if unknown. */
  pages!: number | null;
}

export class AdminJobDetailDto extends AdminJobDto {
  /** The stored result. */
  result!: ResultFactsDto | null;
}

export class JobCountDto {
  count!: number;

  /** False if counting stopped before the end. */
  complete!: boolean;
}

/** An accepted callback. */
export class JobCallbackDto {
  receivedAt!: Date;

  /** When the sender last repeated it. */
  lastReceivedAt!: Date;

  /** How often it arrived. */
  deliveries!: number;

  /** As the sender reports it. The gateway asks Reducto. */
  status!: string;

  /** Reducto’s id of the job, as the sender reports it. */
  upstreamId!: string;

  /**
   * The proof: `token`, `svix`, or `none` if GUARD_SECRET does not enforce.
   * @example 'token'
   */
  provedBy!: string;

  /** @example '203.0.113.7' */
  clientAddress!: string;
}

export class JobCallbackListDto {
  callbacks!: JobCallbackDto[];
}

export class ServiceListDto {
  /** @example ['invoices'] */
  services!: string[];
}

export class AdminJobPageDto {
  jobs!: AdminJobDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export function adminJobAnswer(job: Job): JsonAnswer {
  return new JsonAnswer(adminJobText(job));
}

export function adminDetailAnswer(job: Job, result: AdminJobDetailDto['result']): JsonAnswer {
  return new JsonAnswer(appendMembers(adminJobText(job), { result: JSON.stringify(result) }));
}

export function toJobCallbackListDto(callbacks: readonly JobCallback[]): JobCallbackListDto {
  return { callbacks: callbacks.map(({ id: _id, ...callback }) => callback) };
}

export function adminPageAnswer(jobs: readonly Job[], limit: number): JsonAnswer {
  const page = jobs.slice(0, limit);
  const nextCursor = jobs.length > limit ? (page.at(-1)?.id ?? null) : null;
  const list = page.map(adminJobText).join(',');
  return new JsonAnswer(`{"jobs":[${list}],"nextCursor":${JSON.stringify(nextCursor)}}`);
}

function adminJobText(job: Job): string {
  const more: Omit<AdminJobDto, keyof JobDto> = {
    service: job.service,
    upstreamId: job.upstreamId,
    submitAttempts: job.submitAttempts,
    polls: job.polls,
    nextPollAt: job.nextCheckAt,
    callbackReceivedAt: job.callbackReceivedAt,
  };
  const texts = Object.entries(more).map(([name, value]) => [name, JSON.stringify(value)] as const);
  return appendMembers(jobText(job), Object.fromEntries(texts));
}
