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
 * `code` is a number in the newer SDK sources; that it equals the HTTP status which the error would
 * have on a synchronous call is INFERRED.
 */
export interface JobError {
  name: string;
  code: number;
  message: string;
  job_id?: string;
}

export type WebhookTarget =
  { mode: 'direct'; url: string } | { mode: 'svix'; channels: string[] | undefined };

/** What a job has produced, before it is decided whether it travels inline or by URL. */
export interface JobResult {
  pages: readonly Page[];
  /** The document itself: an edit hands it out again. */
  file: StoredFile | undefined;
  /** The member that a URL result replaces: `result` of the answer. */
  inner: unknown;
  innerBytes: number;
  /** The whole `result` of GET /job around it. */
  outer(inner: unknown, context: OuterContext): JsonObject;
}

export interface OuterContext {
  numPages: number;
  durationSeconds: number;
  /** A link to the document, made only when asked for. */
  documentUrl: () => string;
}

export interface Job {
  readonly id: string;
  /** Position in the order of creation, from 1: the cursor of GET /jobs. */
  readonly order: number;
  readonly type: JobType;
  readonly body: JsonObject;
  /** Same for every submit of the same bytes: a repeated submit shows in GET /control/jobs. */
  readonly bodyHash: string;
  readonly sim: JobSwitches;
  readonly webhook: WebhookTarget | undefined;
  /** `undefined` when none was sent, which is not the same as null. */
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
  /** The first link handed out, for a platform that repeats it. */
  resultUrl: string | undefined;
  cancelRequestedAt: number | undefined;
  deletedAt: number | undefined;
  /** Reads since the submit, and since the end of the job. */
  reads: number;
  readsAfterEnd: number;
  faultyReads: number;
  downloads: number;
}

export function isOpen(job: Job): boolean {
  return job.endedAt === undefined;
}
