import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Somebody who has signed in to the console. */
@Entity({ name: 'admin_sessions' })
export class AdminSession {
  /** SHA-256 of the cookie’s token, so that a reader of the table cannot sign in with it. */
  @PrimaryColumn({ name: 'token_hash', type: 'bytea' })
  tokenHash!: Buffer;

  @Column({ name: 'key_id', type: 'uuid' })
  keyId!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'last_seen_at', type: 'timestamptz', default: () => 'now()' })
  lastSeenAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;
}
