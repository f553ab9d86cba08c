import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

/** An accepted callback that waits for the relay. */
@Entity({ name: 'callback_inbox' })
export class InboxEntry {
  /** That of the job: the relay takes the callbacks of the services in turns. */
  @PrimaryColumn({ type: 'text', default: '' })
  service!: string;

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

  /** The `traceparent` of the callback request; `null` without tracing. */
  @Column({ type: 'text', nullable: true })
  trace!: string | null;

  @Column({ name: 'received_at', type: 'timestamptz', default: () => 'now()' })
  receivedAt!: Date;
}
