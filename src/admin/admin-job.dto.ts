import type { Job } from '../jobs/job.entity.js';
import { JobDto, jobText } from '../jobs/job.dto.js';
import type { JobCallback } from '../webhooks/callback-history.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { appendMembers } from '../platform/json/json-edits.js';

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

  /** When its service deleted the job. */
  deletionRequestedAt!: Date | null;

  /** When Reducto had deleted it, or the gateway gave that up: the action `job.delete` says which. */
  deletedAt!: Date | null;
}

class ResultFactsDto {
  /** The size of the JSON. */
  bytes!: number;

  /** The pages that Reducto processed; null if unknown. */
  pages!: number | null;

  /** How many files the result links to. */
  files!: number;

  /** The size of these files together. */
  fileBytes!: number;
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
    deletionRequestedAt: job.deletionRequestedAt,
    deletedAt: job.deletedAt,
  };
  const texts = Object.entries(more).map(([name, value]) => [name, JSON.stringify(value)] as const);
  return appendMembers(jobText(job), Object.fromEntries(texts));
}
