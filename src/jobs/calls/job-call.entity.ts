import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The request that made a job, for repeats of it that carry no idempotency key. */
@Entity({ name: 'job_calls' })
@Index('job_calls_by_hash', ['hash'])
@Index('job_calls_by_time', ['createdAt'])
export class JobCall {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  /** SHA-256 of what equal requests have in common: API key, endpoint, and body. */
  @Column({ type: 'bytea' })
  hash!: Buffer;

  /** The retry counts of the requests that share the job: bit n is set by retry n. */
  @Column({ type: 'integer' })
  seen!: number;

  /** When the last of them arrived. */
  @Column({ name: 'seen_at', type: 'timestamptz', default: () => 'now()' })
  seenAt!: Date;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;
}
