import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { Actor } from '../../audit/audit-entry.js';

/**
 * Why an upstream job is deleted. `job`: its job is deleted. `orphan`: its job has ended without it, or has another one.
 * `callback`: a callback asserts that it is an orphan, and Reducto has to confirm it.
 */
export type DeletionOrigin = 'job' | 'orphan' | 'callback';

/** Who deleted the job, and the id of the audit entry that says so. */
export interface DeletionRequest {
  readonly actor: Actor;
  readonly intent: string;
}

/** An upstream job that Reducto has to delete. */
@Entity({ name: 'upstream_deletions' })
@Index('upstream_deletions_due', ['nextAttemptAt'])
export class UpstreamDeletion {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  @PrimaryColumn({ name: 'upstream_id', type: 'text' })
  upstreamId!: string;

  /** Also delete what Reducto was asked to persist. */
  @Column({ name: 'include_persisted', type: 'boolean' })
  includePersisted!: boolean;

  @Column({ type: 'text', default: 'job' })
  origin!: DeletionOrigin;

  @Column({ type: 'integer', default: 0 })
  attempts!: number;

  /** Null if no service has asked for it. */
  @Column({ name: 'requested_by', type: 'json', nullable: true })
  requestedBy!: DeletionRequest | null;

  /** When it is due, or due again if the process that asks Reducto dies; null until its job is deleted. */
  @Column({ name: 'next_attempt_at', type: 'timestamptz', nullable: true, default: () => 'now()' })
  nextAttemptAt!: Date | null;
}
