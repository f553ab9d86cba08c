import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows, rows } from '../../platform/database/sql.js';

/** Identifies the content of a file. */
export interface UploadDigest {
  readonly sha256: Buffer;
  readonly sizeBytes: number;
}

export interface StoredUpload {
  readonly id: string;
  readonly sha256: Buffer;
}

/** A lease of an `Idempotency-Key` for one upload. */
export interface UploadKey {
  readonly service: string;
  readonly key: string;
  /** A UUID of the request. */
  readonly holder: string;
}

/** Lifetime of a lease that is not renewed, as after the end of its process. */
const LEASE_SECONDS = 15;

/** All SQL on `uploads` and `upload_leases`. */
@Injectable()
export class UploadStore {
  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** The subset of `ids` that was issued to `service`. */
  async findIssued(service: string, ids: readonly string[]): Promise<Set<string>> {
    const found = await preparedRows<{ id: string }>(this.database, FIND_ISSUED, [service, ids]);
    return new Set(found.map(({ id }) => id));
  }

  async findByKey(service: string, key: string): Promise<StoredUpload | undefined> {
    const [found] = await rows<StoredUpload>(this.database, FIND_BY_KEY, [service, key]);
    return found;
  }

  /** False if another request holds the key. */
  async acquireLease({ service, key, holder }: UploadKey): Promise<boolean> {
    const parameters = [service, key, holder, LEASE_SECONDS];
    return (await rows(this.database, ACQUIRE_LEASE, parameters)).length === 1;
  }

  async renewLease({ service, key, holder }: UploadKey): Promise<void> {
    await rows(this.database, RENEW_LEASE, [service, key, holder, LEASE_SECONDS]);
  }

  async releaseLease({ service, key, holder }: UploadKey): Promise<void> {
    await rows(this.database, RELEASE_LEASE, [service, key, holder]);
  }

  /**
   * Inserts an upload, which is durable once this resolves. False if the service already has the id, or used the key for
   * another upload.
   */
  async insert(
    service: string,
    id: string,
    { sha256, sizeBytes }: UploadDigest,
    key: string | null,
  ): Promise<boolean> {
    const parameters = [service, id, key, sha256, sizeBytes];
    return (await rows(this.database, INSERT_UPLOAD, parameters)).length === 1;
  }

  async deleteOne(service: string, id: string): Promise<void> {
    await rows(this.database, DELETE_ONE, [service, id]);
  }

  /** Deletes up to `limit` uploads older than `hours`. Returns their number. */
  async deleteOld(manager: EntityManager, hours: number, limit: number): Promise<number> {
    await rows(manager, DELETE_EXPIRED_LEASES);
    return (await rows(manager, DELETE_OLD, [hours, limit])).length;
  }
}

const FIND_ISSUED = {
  name: 'uploads-find-issued',
  text: `SELECT id FROM uploads WHERE service = $1 AND id = ANY ($2::text[])`,
};

const FIND_BY_KEY = `SELECT id, sha256 FROM uploads WHERE service = $1 AND idempotency_key = $2`;

const ACQUIRE_LEASE = `
  INSERT INTO upload_leases (service, idempotency_key, holder, expires_at)
  VALUES ($1, $2, $3, now() + make_interval(secs => $4))
  ON CONFLICT (service, idempotency_key)
  DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
   WHERE upload_leases.expires_at < now()
  RETURNING holder`;

const RENEW_LEASE = `
  UPDATE upload_leases SET expires_at = now() + make_interval(secs => $4)
   WHERE service = $1 AND idempotency_key = $2 AND holder = $3`;

const RELEASE_LEASE = `
  DELETE FROM upload_leases WHERE service = $1 AND idempotency_key = $2 AND holder = $3`;

const INSERT_UPLOAD = `
  INSERT INTO uploads (service, id, idempotency_key, sha256, size_bytes)
  VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT DO NOTHING
  RETURNING id`;

const DELETE_ONE = `DELETE FROM uploads WHERE service = $1 AND id = $2 RETURNING id`;

const DELETE_OLD = `
  DELETE FROM uploads
   WHERE (service, id) IN (
     SELECT service, id FROM uploads
      WHERE created_at < now() - make_interval(hours => $1)
      ORDER BY created_at LIMIT $2
        FOR UPDATE SKIP LOCKED)
  RETURNING id`;

const DELETE_EXPIRED_LEASES = `
  DELETE FROM upload_leases WHERE expires_at < now() - interval '1 hour'`;
