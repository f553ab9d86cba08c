import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The stored result of a completed job. Its bytes are the chunks with the same `contentId`. */
@Entity({ name: 'job_results' })
@Index('job_results_by_time', ['storedAt'])
export class JobResult {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  @Column({ name: 'content_id', type: 'uuid' })
  @Index('job_results_by_content', { unique: true })
  contentId!: string;

  /** Hex hash of the uncompressed JSON. */
  @Column({ type: 'text' })
  sha256!: string;

  /** Uncompressed size; node-postgres returns bigint as text. */
  @Column({ name: 'size_bytes', type: 'bigint' })
  sizeBytes!: string;

  @Column({ name: 'stored_bytes', type: 'bigint' })
  storedBytes!: string;

  /** The API's address when the links to its files were written; null without files. */
  @Column({ name: 'links_begin', type: 'text', nullable: true })
  linksBegin!: string | null;

  @Column({ name: 'stored_at', type: 'timestamptz', default: () => 'now()' })
  storedAt!: Date;
}
