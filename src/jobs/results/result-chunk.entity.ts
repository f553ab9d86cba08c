import { Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * A piece of a gzip stream, written while the result downloads. `contentId` is a UUIDv7, so that orphans of a crash
 * can be identified by age.
 */
@Entity({ name: 'result_chunks' })
export class ResultChunk {
  @PrimaryColumn({ name: 'content_id', type: 'uuid' })
  contentId!: string;

  @PrimaryColumn({ type: 'integer' })
  seq!: number;

  @Column({ type: 'bytea' })
  bytes!: Buffer;
}
