import { Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * A piece of a gzip stream. Chunks are written while a result downloads, before anything refers to
 * them: `contentId` is a UUIDv7, so that what a crash left behind can be told by its age.
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
