import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A file that Reducto stores for a service. The gateway keeps nothing of its content. */
@Entity({ name: 'uploads' })
@Index('uploads_idempotency', ['service', 'idempotencyKey'], {
  unique: true,
  where: 'idempotency_key IS NOT NULL',
})
@Index('uploads_by_time', ['createdAt'])
export class Upload {
  @PrimaryColumn({ type: 'text' })
  service!: string;

  /** Reducto's `reducto://` id. */
  @PrimaryColumn({ type: 'text' })
  id!: string;

  @Column({ name: 'idempotency_key', type: 'text', nullable: true })
  idempotencyKey!: string | null;

  @Column({ type: 'bytea' })
  sha256!: Buffer;

  @Column({ name: 'size_bytes', type: 'bigint' })
  sizeBytes!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;
}
