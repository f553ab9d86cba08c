import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Settings } from '../../platform/config/settings.js';
import { preparedRows } from '../../platform/database/sql.js';
import { NOTIFY_ALL, Notifications } from '../../platform/work/notifications.js';
import type { CompletedJob } from '../api/job-completion.notifier.js';
import { JOB_ENDED, recordEnds } from '../job-ends.js';
import { predecessorsOf } from '../job-status.js';
import {
  age,
  SETTLED_BY_TRIGGER,
  wakeDependents,
  type TransitionedJob,
} from '../persistence/job-transitions.store.js';
import { inLockOrder } from '../leases/job-lease.store.js';
import type { NewContent } from '../results/result.store.js';
import type { NewFile } from '../files/job-file.store.js';
import type { NewResult } from '../results/result-fetcher.js';

/** A job whose result was fetched, with the lease under which it was. */
export interface Completion extends NewResult {
  readonly id: string;
  readonly lease: string;
  /** The result came with the answer to a synchronous call, not to a poll. */
  readonly isAnswer?: boolean;
}

interface CompletedRow extends TransitionedJob, CompletedJob {
  readonly settledBy: 'webhook' | 'reconciler' | 'submission';
  readonly contentId: string;
  readonly woken: number;
}

export interface CompletedJobs {
  /** By the id of their content, because a batch may hold a job twice. */
  readonly jobs: Map<string, TransitionedJob & CompletedJob>;
  /** Number of jobs that became due because their inputs ended. */
  readonly woken: number;
}

/** The batched statement that completes jobs with their results. */
@Injectable()
export class JobCompletionStore {
  constructor(
    private readonly settings: Settings,
    private readonly notifications: Notifications,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {}

  /**
   * Completes those that are still held under their leases, and makes due the jobs that need their results. It tells the
   * other processes that the jobs ended; the caller tells this one.
   */
  async completeJobs(completions: readonly Completion[]): Promise<CompletedJobs> {
    const inOrder = inLockOrder(completions);
    const content = <Key extends keyof NewContent>(key: Key): NewContent[Key][] =>
      inOrder.map((completion) => completion.content[key]);
    const values = [
      inOrder.map(({ id }) => id),
      inOrder.map(({ lease }) => lease),
      content('contentId'),
      content('sha256'),
      content('sizeBytes'),
      content('storedBytes'),
      Buffer.concat(content('bytes').filter((bytes) => bytes !== null)),
      predecessorsOf('completed'),
      this.notifications.id,
      inOrder.map(({ isAnswer = false }) => isAnswer),
      startsOf(content('bytes')),
    ];
    const haveFiles = inOrder.some(
      ({ files, missingFiles }) => files.length > 0 || missingFiles.length > 0,
    );
    const completed = await preparedRows<CompletedRow>(
      this.database,
      haveFiles ? COMPLETE_JOBS_WITH_FILES : COMPLETE_JOBS,
      haveFiles ? [...values, ...filesOf(inOrder, this.settings.apiUrl)] : values,
    );
    return {
      jobs: new Map(completed.map(({ contentId, ...job }) => [contentId, job])),
      woken: completed[0]?.woken ?? 0,
    };
  }
}

/** Where each of `parts` begins in the concatenation of all, from 1. One value costs much less than an array of them. */
function startsOf(parts: readonly (Buffer | null)[]): (number | null)[] {
  let next = 1;
  return parts.map((part) => {
    if (part === null) return null;
    const start = next;
    next += part.length;
    return start;
  });
}

/** The parameters of `COMPLETE_JOBS_WITH_FILES` beyond those of `COMPLETE_JOBS`. */
function filesOf(completions: readonly Completion[], apiUrl: string): unknown[] {
  const files = completions.flatMap((completion) =>
    completion.files.map((file) => ({ ...file, resultId: completion.content.contentId })),
  );
  const column = (key: keyof NewFile | 'resultId'): string[] => files.map((file) => file[key]);
  return [
    completions.map(({ missingFiles }) =>
      missingFiles.length === 0 ? null : JSON.stringify(missingFiles),
    ),
    column('resultId'),
    column('name'),
    column('contentId'),
    column('contentType'),
    column('sizeBytes'),
    column('sha256'),
    completions.map(({ files }) => (files.length === 0 ? null : apiUrl)),
  ];
}

/** Arrays as subqueries give PostgreSQL one generic plan for all array lengths. */
const completeJobs = (withFiles: boolean): string => `
  WITH fetched AS MATERIALIZED (
    SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::uuid[]), (SELECT $4::text[]),
                         (SELECT $5::bigint[]), (SELECT $6::bigint[]), (SELECT $11::integer[]), (SELECT $10::boolean[])${
                           withFiles ? ', (SELECT $12::jsonb[]), (SELECT $19::text[])' : ''
                         })
      AS fetched (job_id, lease, content_id, sha256, size_bytes, stored_bytes, start, is_answer${
        withFiles ? ', missing_files, links_begin' : ''
      })),
  completed AS (
    UPDATE jobs
       SET status = 'completed',
           settled_by = CASE WHEN is_answer THEN 'submission' ELSE ${SETTLED_BY_TRIGGER} END, error = NULL, ended_at = now(),
           next_check_at = NULL, lease = NULL, worker = NULL, request = NULL, uncertain_since = NULL,
           deferral_reason = NULL, deferred_until = NULL${
             withFiles ? ', missing_files = fetched.missing_files' : ''
           }
      FROM fetched
     WHERE jobs.id = fetched.job_id AND jobs.lease = fetched.lease AND status = ANY ($8::text[])
    RETURNING jobs.id, fetched.content_id, type, settled_by, polls, ${age('created_at')} AS age,
              ${age('callback_received_at')} AS callback_age, progress, submitted_at, cancel_requested_at, ended_at${
                withFiles ? ', jobs.missing_files' : ''
              }),
  chunk AS (
    INSERT INTO result_chunks (content_id, seq, bytes)
    SELECT content_id, 0, substr((SELECT $7::bytea), start, stored_bytes::integer)
      FROM fetched JOIN completed USING (content_id)
     WHERE start IS NOT NULL),
  result AS (
    INSERT INTO job_results (job_id, content_id, sha256, size_bytes, stored_bytes, links_begin)
    SELECT job_id, content_id, sha256, size_bytes, stored_bytes, ${withFiles ? 'links_begin' : 'NULL'}
      FROM fetched JOIN completed USING (content_id)),${
        withFiles
          ? `
  file AS (
    INSERT INTO job_files (job_id, name, content_id, content_type, size_bytes, sha256)
    SELECT completed.id, file.name, file.content_id, content_type, size_bytes, sha256
      FROM unnest((SELECT $13::uuid[]), (SELECT $14::text[]), (SELECT $15::uuid[]), (SELECT $16::text[]),
                  (SELECT $17::bigint[]), (SELECT $18::text[]))
        AS file (result_id, name, content_id, content_type, size_bytes, sha256)
      JOIN completed ON completed.content_id = file.result_id),`
          : ''
      }
  recorded AS (${recordEnds('completed')}),
  woken AS MATERIALIZED (
    SELECT ${wakeDependents('array_agg(id)')} AS count FROM completed),
  notification AS MATERIALIZED (
    ${NOTIFY_ALL(JOB_ENDED, 'SELECT id::text FROM completed', '$9')})
  SELECT id, content_id AS "contentId", type, settled_by AS "settledBy", polls, age AS "ageSeconds",
         callback_age AS "sinceCallbackSeconds", progress, submitted_at AS "submittedAt",
         cancel_requested_at AS "cancelRequestedAt", ended_at AS "endedAt",
         ${withFiles ? 'missing_files' : 'NULL'} AS "missingFiles", woken.count AS woken
    FROM completed, woken, notification`;

const COMPLETE_JOBS = { name: 'jobs-complete', text: completeJobs(false) };
/** Only for batches with files, so that other jobs do not pay for them. */
const COMPLETE_JOBS_WITH_FILES = { name: 'jobs-complete-with-files', text: completeJobs(true) };
