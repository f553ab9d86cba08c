import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { validate as isUuid } from 'uuid';
import type { JobError } from './job-error.js';
import type { MissingFile } from './files/missing-file.js';
import type { JobStatus } from './job-status.js';
import type { JobType } from './job-type.js';

/** How the gateway learned of the end. */
export type SettledBy = 'webhook' | 'reconciler' | 'submission' | 'cancellation';

@Entity({ name: 'jobs' })
// Defined in the migrations: decorators support neither expressions nor BRIN nor descending columns.
@Index('jobs_by_error', { synchronize: false })
@Index('jobs_by_acceptance', { synchronize: false })
@Index('jobs_queued_by_service', { synchronize: false })
@Index('jobs_submitted_by_service', { synchronize: false })
@Index('jobs_open_webhooks', { synchronize: false })
@Index('jobs_by_service', ['service', 'id'])
@Index('jobs_idempotency', ['service', 'idempotencyKey'], {
  unique: true,
  where: 'idempotency_key IS NOT NULL',
})
@Index('jobs_upstream', ['upstreamId'], { unique: true, where: 'upstream_id IS NOT NULL' })
@Index('jobs_by_end', ['endedAt'], { where: 'ended_at IS NOT NULL' })
@Index('jobs_ended_otherwise', ['status', 'id'], {
  where: `ended_at IS NOT NULL AND status <> 'completed'`,
})
@Index('jobs_ended_otherwise_by_service', ['service', 'status', 'id'], {
  where: `ended_at IS NOT NULL AND status <> 'completed'`,
})
@Index('jobs_uncertain', ['nextCheckAt'], { where: `status = 'uncertain'` })
@Index('jobs_leased', ['worker', 'lease'], { where: 'lease IS NOT NULL' })
@Index('jobs_to_cancel', ['nextCheckAt'], {
  where: `status = 'submitted' AND cancel_requested_at IS NOT NULL AND cancel_sent_at IS NULL`,
})
export class Job {
  /** UUIDv7: sorts by the time of acceptance. The only id that services see. */
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  service!: string;

  @Column({ type: 'text' })
  type!: JobType;

  @Column({ type: 'text', default: 'queued' })
  status!: JobStatus;

  @Column({ type: 'boolean', default: false })
  priority!: boolean;

  /**
   * JSON text: the service's body without the gateway's members. Deleted when the job ends: it may hold a document's
   * password. Not loaded with the job, because it can have megabytes.
   */
  @Column({ type: 'text', nullable: true, select: false })
  request?: string | null;

  /** The input contains a `jobid://` reference, which is translated when the request is sent. */
  @Column({ name: 'refers_to_jobs', type: 'boolean', default: false })
  refersToJobs!: boolean;

  /** JSON text: the service's own; never sent upstream. */
  @Column({ type: 'text', nullable: true })
  metadata!: string | null;

  /** Only endpoints of one of these channels, or without channels, get the event of its end; null: no channel. */
  @Column({ type: 'text', array: true, nullable: true })
  channels!: string[] | null;

  /** Where the event of its end is also sent, by the endpoint of its origin; null: the request names no URL. */
  @Column({ name: 'webhook_url', type: 'text', nullable: true })
  webhookUrl!: string | null;

  @Column({ name: 'idempotency_key', type: 'text', nullable: true })
  idempotencyKey!: string | null;

  /** Hash of the whole request; only with an idempotency key. */
  @Column({ name: 'request_hash', type: 'bytea', nullable: true })
  requestHash!: Buffer | null;

  /** Collation C lets the index serve prefix searches. */
  @Column({ name: 'upstream_id', type: 'text', collation: 'C', nullable: true })
  upstreamId!: string | null;

  /** Upstream ids are valid only at the deployment that issued them. */
  @Column({ name: 'upstream_url', type: 'text', nullable: true })
  upstreamUrl!: string | null;

  @Column({ name: 'submit_attempts', type: 'integer', default: 0 })
  submitAttempts!: number;

  /** Begin of the last attempt, set before the request is sent; null while a queued job waits for its next attempt. */
  @Column({ name: 'submit_started_at', type: 'timestamptz', nullable: true })
  submitStartedAt!: Date | null;

  /** The last moment at which the request of an uncertain job can have arrived at Reducto. */
  @Column({ name: 'uncertain_since', type: 'timestamptz', nullable: true })
  uncertainSince!: Date | null;

  @Column({ type: 'integer', default: 0 })
  polls!: number;

  /** When the job is due, or when its lease ends. Null once the job has ended. */
  @Column({ name: 'next_check_at', type: 'timestamptz', nullable: true })
  nextCheckAt!: Date | null;

  /** Id of the current lease: only its holder may write what it found. */
  @Column({ type: 'uuid', nullable: true })
  lease!: string | null;

  /** Worker process that holds the lease. */
  @Column({ type: 'integer', nullable: true })
  worker!: number | null;

  /** A trigger arrived since the last poll began: another poll follows at once. */
  @Column({ name: 'poll_requested', type: 'boolean', default: false })
  pollRequested!: boolean;

  /** When Reducto first answered that it does not know the job. */
  @Column({ name: 'missing_since', type: 'timestamptz', nullable: true })
  missingSince!: Date | null;

  /** First of the last polls in a row whose answers were unusable. */
  @Column({ name: 'unusable_since', type: 'timestamptz', nullable: true })
  unusableSince!: Date | null;

  /** First of the last polls in a row that found the job completed and could not fetch its result. */
  @Column({ name: 'result_missing_since', type: 'timestamptz', nullable: true })
  resultMissingSince!: Date | null;

  @Column({ name: 'cancel_requested_at', type: 'timestamptz', nullable: true })
  cancelRequestedAt!: Date | null;

  /** When the gateway first asked Reducto to cancel; later polls repeat it while the job is open. */
  @Column({ name: 'cancel_sent_at', type: 'timestamptz', nullable: true })
  cancelSentAt!: Date | null;

  @Column({ name: 'callback_received_at', type: 'timestamptz', nullable: true })
  callbackReceivedAt!: Date | null;

  /** Upstream id that an authenticated callback asserts; used only after Reducto confirms it. */
  @Column({ name: 'asserted_upstream_id', type: 'text', nullable: true })
  assertedUpstreamId!: string | null;

  /** From 0 to 1, as Reducto reports it. */
  @Column({ type: 'double precision', nullable: true })
  progress!: number | null;

  @Column({ type: 'jsonb', nullable: true })
  error!: JobError | null;

  /** Why the job is deferred and what the gateway does next, for its service; null on the regular schedule. */
  @Column({ name: 'deferral_reason', type: 'text', nullable: true })
  deferralReason!: string | null;

  /** When the gateway tries again. */
  @Column({ name: 'deferred_until', type: 'timestamptz', nullable: true })
  deferredUntil!: Date | null;

  @Column({ name: 'settled_by', type: 'text', nullable: true })
  settledBy!: SettledBy | null;

  /** The request that submitted it, as a W3C `traceparent`; only if tracing is on. */
  @Column({ type: 'text', nullable: true })
  trace!: string | null;

  /** The callback or cancel that last made the job due, as a W3C `traceparent`; only if tracing is on. */
  @Column({ name: 'trigger_trace', type: 'text', nullable: true })
  triggerTrace!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'submitted_at', type: 'timestamptz', nullable: true })
  submittedAt!: Date | null;

  @Column({ name: 'ended_at', type: 'timestamptz', nullable: true })
  endedAt!: Date | null;

  /** Files that the result links to and that could not be fetched; null if there are none. */
  @Column({ name: 'missing_files', type: 'jsonb', nullable: true })
  missingFiles!: readonly MissingFile[] | null;

  /** When the result was deleted because of its age. The job itself is retained longer. */
  @Column({ name: 'result_expired_at', type: 'timestamptz', nullable: true })
  resultExpiredAt!: Date | null;

  /** When its service deleted the job. Result, files, and metadata are gone; the row stays as long as other jobs. */
  @Column({ name: 'deletion_requested_at', type: 'timestamptz', nullable: true })
  deletionRequestedAt!: Date | null;

  /** When Reducto had deleted it, too. */
  @Column({ name: 'deleted_at', type: 'timestamptz', nullable: true })
  deletedAt!: Date | null;
}

/** Whether `id` has the form of a job id; the database refuses to compare others with one. */
export function isJobId(id: string): boolean {
  return isUuid(id);
}
