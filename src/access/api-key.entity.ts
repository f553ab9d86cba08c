import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

export const SCOPES = ['jobs', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

/** An API key of a service. The key itself is shown once and never stored. */
@Entity({ name: 'api_keys' })
export class ApiKey {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  service!: string;

  @Column({ type: 'text', array: true })
  scopes!: Scope[];

  /** SHA-256 of the key. A plain hash is enough: the key is 256 random bits. */
  @Column({ name: 'key_hash', type: 'bytea' })
  @Index('api_keys_hash', { unique: true })
  keyHash!: Buffer;

  /** The first characters, which identify the key. */
  @Column({ type: 'text' })
  prefix!: string;

  /** `bootstrap`: from the setting BOOTSTRAP_ADMIN_KEY. */
  @Column({ type: 'text' })
  origin!: 'issued' | 'bootstrap';

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  /** To the minute. */
  @Column({ name: 'last_used_at', type: 'timestamptz', nullable: true })
  lastUsedAt!: Date | null;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt!: Date | null;

  /** Revoked because BOOTSTRAP_ADMIN_KEY names another key, and not by an admin. */
  @Column({ type: 'boolean', default: false })
  replaced!: boolean;
}
