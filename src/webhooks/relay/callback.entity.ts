import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm';

/**
 * An accepted callback. Repeats of a message share a row with a count, so that replays cannot fill the disk.
 */
@Entity({ name: 'callbacks' })
@Index('callbacks_message', ['jobId', 'upstreamId', 'status'], { unique: true })
@Index('callbacks_by_time', ['receivedAt'])
export class Callback {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  /** The upstream id that the callback asserts. */
  @Column({ name: 'upstream_id', type: 'text' })
  upstreamId!: string;

  /** The status that the callback asserts; any text. */
  @Column({ type: 'text' })
  status!: string;

  /** The proof: `token`, `svix`, or `none` if `GUARD_SECRET` is not `enforce`. */
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
