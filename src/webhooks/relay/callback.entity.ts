import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * An accepted callback. Repeats of the same message are one row with a count, so that a replayed
 * genuine callback cannot fill the disk.
 */
@Entity({ name: 'callbacks' })
@Index('callbacks_message', ['jobId', 'upstreamId', 'status'], { unique: true })
@Index('callbacks_by_time', ['receivedAt'])
export class Callback {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  /** The upstream id as the callback claims it. */
  @Column({ name: 'upstream_id', type: 'text' })
  upstreamId!: string;

  /** As the callback claims it; any text. */
  @Column({ type: 'text' })
  status!: string;

  /** What proved it: `token`, `svix`, or `none` where the guard of the secret only observes. */
  @Column({ name: 'proved_by', type: 'text' })
  provedBy!: 'token' | 'svix' | 'none';

  @Column({ name: 'client_address', type: 'text' })
  clientAddress!: string;

  @Column({ type: 'integer', default: 1 })
  deliveries!: number;

  @Column({ name: 'received_at', type: 'timestamptz', default: () => 'now()' })
  receivedAt!: Date;

  @Column({ name: 'last_received_at', type: 'timestamptz', default: () => 'now()' })
  lastReceivedAt!: Date;
}
