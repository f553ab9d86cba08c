import { ReadDocument } from '../documents/document.js';
import { JobSwitches } from '../faults/faults.js';
import { JsonObject } from '../json.js';

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
  /** The document of a job that has succeeded, from which each read builds the result. */
  document: ReadDocument | undefined;
  /** The first links by path, which are repeated if `freshResultUrls` is off. */
  links: Map<string, string>;
  cancelRequestedAt: number | undefined;
  deletedAt: number | undefined;
  /** Reads since the submit and since the end of the job. */
  reads: number;
  readsAfterEnd: number;
  faultyReads: number;
  /** Downloads of the result, and of other files. */
  downloads: number;
  fileDownloads: number;
}

export function isOpen(job: Job): boolean {
  return job.endedAt === undefined;
}
