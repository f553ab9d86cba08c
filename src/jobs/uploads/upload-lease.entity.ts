import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An upload with an `Idempotency-Key` that is in progress. */
@Entity({ name: 'upload_leases' })
export class UploadLease {
  @PrimaryColumn({ type: 'text' })
  service!: string;

  @PrimaryColumn({ name: 'idempotency_key', type: 'text' })
  idempotencyKey!: string;

  @Column({ type: 'uuid' })
  holder!: string;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;
}
