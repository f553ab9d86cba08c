import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import { hashOf, macOf, type ChainedEntry } from './audit-entry.js';
import { AuditKeys } from './audit-keys.js';
import { SELECT_ENDS, type KnownEnds } from './audit-log.js';

export interface Verification {
  readonly ok: boolean;
  /** Entries that were read. */
  readonly rows: number;
  /** The first entry that is changed, missing or made up; `null` where the chain is whole. */
  readonly firstBroken: string | null;
  /** In plain words; `null` where the chain is whole. */
  readonly reason: string | null;
}

const PAGE_SIZE = 2000;

/**
 * Recomputes the whole chain: an entry that was changed, removed, inserted or cut off at the end does
 * not go unnoticed, unless whoever did it has the key. Reads in one snapshot, a page at a time.
 */
@Injectable()
export class AuditVerifier {
  constructor(
    private readonly keys: AuditKeys,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  verify(): Promise<Verification> {
    return this.dataSource.transaction('REPEATABLE READ', (manager) => this.walk(manager));
  }

  private async walk(manager: EntityManager): Promise<Verification> {
    const [ends] = await rows<KnownEnds>(manager, SELECT_ENDS);
    if (ends === undefined) return this.withoutEnds(manager);
    const endsKey = this.keys.find(ends.keyId);
    if (endsKey === undefined) return broken(0, ends.lastId, UNKNOWN_KEY(ends.keyId));
    if (!same(macOf(endsKey, ends), ends.mac)) {
      return broken(0, ends.firstId, 'the ends of the chain (audit_chain) have been changed');
    }

    let expected = BigInt(ends.firstId) + 1n;
    let previous = ends.firstHash;
    let read = 0;
    for (;;) {
      const page = await rows<ChainedEntry>(manager, PAGE, [String(expected - 1n), PAGE_SIZE]);
      for (const entry of page) {
        const place = String(expected);
        if (entry.id !== place) return broken(read, place, 'this entry is missing');
        if (expected > BigInt(ends.lastId)) {
          return broken(read, entry.id, 'this entry comes after the end of the chain');
        }
        const key = this.keys.find(entry.keyId);
        if (key === undefined) return broken(read, entry.id, UNKNOWN_KEY(entry.keyId));
        const hash = hashOf(key, previous, entry.id, entry);
        if (!same(hash, entry.hash)) {
          return broken(read, entry.id, 'this entry, or the one before it, has been changed');
        }
        previous = hash;
        expected += 1n;
        read += 1;
      }
      if (page.length < PAGE_SIZE) break;
    }
    if (expected <= BigInt(ends.lastId)) {
      return broken(read, String(expected), 'entries are missing from here to the end');
    }
    if (!same(previous, ends.lastHash)) {
      return broken(read, ends.lastId, 'the end of the chain does not match its last entry');
    }
    return { ok: true, rows: read, firstBroken: null, reason: null };
  }

  private async withoutEnds(manager: EntityManager): Promise<Verification> {
    const [first] = await rows<ChainedEntry>(manager, PAGE, ['0', 1]);
    if (first === undefined) return { ok: true, rows: 0, firstBroken: null, reason: null };
    return broken(0, first.id, 'the ends of the chain (audit_chain) are missing');
  }
}

const UNKNOWN_KEY = (id: string): string =>
  `it was written with key ${id}, which AUDIT_KEYS (or TOKEN_KEYS) does not hold`;

const PAGE = `
  SELECT id, at, kind, data, key_id AS "keyId", hash
    FROM audit_entries WHERE id > $1 ORDER BY id LIMIT $2`;

function broken(read: number, id: string, reason: string): Verification {
  return { ok: false, rows: read, firstBroken: id, reason };
}

function same(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
