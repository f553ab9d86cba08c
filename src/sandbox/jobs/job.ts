import { Page } from '../documents/document.js';
import { JobSwitches } from '../faults/faults.js';
import { JsonObject } from '../json.js';
import { StoredFile } from '../documents/upload-store.js';

export const jobTypes = ['parse', 'extract', 'split', 'edit', 'pipeline', 'classify'] as const;
export type JobType = (typeof jobTypes)[number];

/** The seven statuses of GET /jobs; GET /job documents only four of them. */
export type JobStatus =
  'Pending' | 'Idle' | 'InProgress' | 'Completing' | 'Completed' | 'Failed' | 'Cancelled';

/**
 * `code` is a number in the newer SDK sources. It equals the HTTP status of a synchronous call
 * (INFERRED).
 */
export interface JobError {
  name: string;
  code: number;
  message: string;
  job_id?: string;
}

export type WebhookTarget =
  { mode: 'direct'; url: string } | { mode: 'svix'; channels: string[] | undefined };

/** The result of a job, from which the inline and the URL form are built. */
export interface JobResult {
  pages: readonly Page[];
  /** The input document, which an edit returns. */
  file: StoredFile | undefined;
  /** The inner `result`, which a URL result replaces. */
  inner: unknown;
  innerBytes: number;
  /** Builds the `result` of GET /job around the inner one. */
  outer(inner: unknown, context: OuterContext): JsonObject;
}

export interface OuterContext {
  numPages: number;
  durationSeconds: number;
  /** Signs a link to the document. */
  documentUrl: () => string;
}

export interface Job {
  readonly id: string;
  /** Creation number, from 1: the cursor of GET /jobs. */
  readonly order: number;
  readonly type: JobType;
  readonly body: JsonObject;
  /** Equal for equal bodies: GET /control/jobs counts the submits of a body. */
  readonly bodyHash: string;
  readonly sim: JobSwitches;
  readonly webhook: WebhookTarget | undefined;
  /** `undefined` if the request had none; null is a value. */
  readonly metadata: unknown;
  readonly priority: boolean;
  readonly batch: boolean;
  readonly createdAt: number;
  status: JobStatus;
  startedAt: number | undefined;
  endedAt: number | undefined;
  reason: string | null;
  error: JobError | null;
  result: JobResult | undefined;
  /** The first result link, which is repeated if `freshResultUrls` is off. */
  resultUrl: string | undefined;
  cancelRequestedAt: number | undefined;
  deletedAt: number | undefined;
  /** Reads since the submit and since the end of the job. */
  reads: number;
  readsAfterEnd: number;
  faultyReads: number;
  downloads: number;
}

export function isOpen(job: Job): boolean {
  return job.endedAt === undefined;
}
