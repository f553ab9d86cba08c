import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

export interface StoredSession {
  readonly tokenHash: Buffer;
  readonly keyId: string;
}

/** All SQL on `admin_sessions`. Ages are by the database’s clock. */
@Injectable()
export class SessionStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  async insert(manager: EntityManager, session: StoredSession, hours: number): Promise<void> {
    await rows(
      manager,
      `INSERT INTO admin_sessions (token_hash, key_id, expires_at)
       VALUES ($1, $2, now() + make_interval(hours => $3))`,
      [session.tokenHash, session.keyId, hours],
    );
  }

  find(tokenHashes: readonly Buffer[], idleMinutes: number): Promise<StoredSession[]> {
    return rows<StoredSession>(
      this.database,
      `SELECT token_hash AS "tokenHash", key_id AS "keyId" FROM admin_sessions
        WHERE token_hash = ANY ($1) AND expires_at > now()
          AND last_seen_at > now() - make_interval(mins => $2)`,
      [tokenHashes, idleMinutes],
    );
  }

  /** To ten seconds, so that a page with several requests writes once. */
  async noteUse(tokenHash: Buffer): Promise<void> {
    await rows(
      this.database,
      `UPDATE admin_sessions SET last_seen_at = now()
        WHERE token_hash = $1 AND last_seen_at < now() - interval '10 s'`,
      [tokenHash],
    );
  }

  async remove(manager: EntityManager, tokenHash: Buffer): Promise<void> {
    await rows(manager, `DELETE FROM admin_sessions WHERE token_hash = $1`, [tokenHash]);
  }

  async removeEnded(idleMinutes: number): Promise<void> {
    await rows(
      this.database,
      `DELETE FROM admin_sessions
        WHERE expires_at <= now() OR last_seen_at <= now() - make_interval(mins => $1)`,
      [idleMinutes],
    );
  }
}
