import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

/** A callback that the guards let pass, until a worker has taken it up. */
@Entity({ name: 'callback_inbox' })
export class InboxEntry {
  @PrimaryGeneratedColumn('identity', { type: 'bigint', generatedIdentity: 'ALWAYS' })
  id!: string;

  @Column({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  @Column({ name: 'upstream_id', type: 'text' })
  upstreamId!: string;

  @Column({ type: 'text' })
  status!: string;

  @Column({ name: 'proved_by', type: 'text' })
  provedBy!: 'token' | 'svix' | 'none';

  @Column({ name: 'client_address', type: 'text' })
  clientAddress!: string;

  /** The request that brought it, as a W3C `traceparent`; only where traces are on. */
  @Column({ type: 'text', nullable: true })
  trace!: string | null;

  @Column({ name: 'received_at', type: 'timestamptz', default: () => 'now()' })
  receivedAt!: Date;
}
