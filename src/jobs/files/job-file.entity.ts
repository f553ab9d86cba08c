import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/**
 * A file that the result of a job links to. Its bytes are the chunks with the same `contentId`, not compressed, so that
 * a range can be read without the bytes before it.
 */
@Entity({ name: 'job_files' })
export class JobFile {
  @PrimaryColumn({ name: 'job_id', type: 'uuid' })
  jobId!: string;

  /** Made by the gateway: small letters, digits, hyphens, and one dot. */
  @PrimaryColumn({ type: 'text', collation: 'C' })
  name!: string;

  @Column({ name: 'content_id', type: 'uuid' })
  @Index('job_files_by_content', { unique: true })
  contentId!: string;

  /** One of `file-type.ts`. */
  @Column({ name: 'content_type', type: 'text' })
  contentType!: string;

  /** node-postgres returns bigint as text. */
  @Column({ name: 'size_bytes', type: 'bigint' })
  sizeBytes!: string;

  /** Hex hash of the bytes. */
  @Column({ type: 'text' })
  sha256!: string;
}
