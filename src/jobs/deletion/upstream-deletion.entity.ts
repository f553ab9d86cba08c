import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A job that its service has deleted and that Reducto still has to delete. */
@Entity({ name: 'upstream_deletions' })
@Index('upstream_deletions_due', ['nextAttemptAt'])
export class UpstreamDeletion {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  @Column({ name: 'upstream_id', type: 'text' })
  upstreamId!: string;

  /** Also delete what Reducto was asked to persist. */
  @Column({ name: 'include_persisted', type: 'boolean' })
  includePersisted!: boolean;

  @Column({ type: 'integer', default: 0 })
  attempts!: number;

  /** When it is due, or due again if the process that asks Reducto dies. */
  @Column({ name: 'next_attempt_at', type: 'timestamptz', default: () => 'now()' })
  nextAttemptAt!: Date;
}
