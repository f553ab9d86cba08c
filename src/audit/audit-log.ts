import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import { Transactions } from '../platform/database/transactions.js';
import {
  chain,
  GENESIS,
  macOf,
  type ChainedEntry,
  type ChainEnds,
  type NewEntry,
} from './audit-entry.js';
import { AuditKeys } from './audit-keys.js';

/** An entry to append, with the sealed bytes that belong to it. */
export interface Appendix {
  readonly entry: NewEntry;
  readonly sealed?: Buffer;
}

/** What an append that broke leaves known. */
export interface AppendAttempt {
  transaction?: string;
}

export interface KnownEnds extends ChainEnds {
  readonly keyId: string;
  readonly mac: Buffer;
}

/** All that writes `audit_entries`, `audit_chain` and `audit_originals`. */
@Injectable()
export class AuditLog {
  constructor(
    private readonly keys: AuditKeys,
    private readonly transactions: Transactions,
  ) {}

  /**
   * Appends to the chain, all or nothing. Processes take turns by the lock on the chain's ends.
   * `attempt` learns the transaction, for asking later what became of it.
   */
  append(appendices: readonly Appendix[], attempt: AppendAttempt = {}): Promise<ChainedEntry[]> {
    return this.transactions.run(async (manager) => {
      const chained = await this.appendWithin(manager, appendices);
      const [row] = await rows<{ id: string }>(manager, `SELECT pg_current_xact_id()::text AS id`);
      if (row !== undefined) attempt.transaction = row.id;
      return chained;
    });
  }

  /** Whether a transaction whose commit was not heard of has happened. Throws while it is still open. */
  wasCommitted(transaction: string): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const [row] = await rows<{ status: string | null }>(
        manager,
        `SELECT pg_xact_status($1::xid8) AS status`,
        [transaction],
      );
      if (row?.status === 'in progress') throw new Error('a write of the audit is still under way');
      return row?.status === 'committed';
    });
  }

  /** As part of a transaction, which then holds up everybody who appends until it ends. */
  async appendWithin(
    manager: EntityManager,
    appendices: readonly Appendix[],
  ): Promise<ChainedEntry[]> {
    if (appendices.length === 0) return [];
    const { current } = this.keys;
    const before = await this.lockEnds(manager);
    const { chained, ends } = chain(
      current,
      before,
      appendices.map(({ entry }) => entry),
    );
    await rows(manager, APPEND, [
      chained.map(({ id }) => id),
      chained.map(({ at }) => at),
      chained.map(({ kind }) => kind),
      chained.map(({ data }) => JSON.stringify(data)),
      chained.map(({ hash }) => hash),
      current.id,
    ]);
    const originals = chained.flatMap(({ id }, n) => {
      const sealed = appendices[n]?.sealed;
      return sealed === undefined ? [] : [{ id, sealed }];
    });
    if (originals.length > 0) {
      const ids = originals.map(({ id }) => id);
      await rows(manager, KEEP, [ids, originals.map(({ sealed }) => sealed), current.id]);
    }
    await this.moveEnds(manager, ends);
    return chained;
  }

  /**
   * Retires entries older than `days` from the beginning of the chain, at most `limit`. What is left
   * stays verifiable: the chain remembers the hash of the last one that has gone. Returns how many went.
   */
  retire(days: number, limit: number): Promise<number> {
    return this.transactions.run(async (manager) => {
      const ends = await this.lockEnds(manager);
      await manager.query(`SET LOCAL gateway.audit_retention = 'on'`);
      const gone = await rows<{ id: string; hash: Buffer }>(manager, RETIRE, [
        ends.firstId,
        days,
        limit,
      ]);
      const last = gone.toSorted((one, other) => Number(BigInt(one.id) - BigInt(other.id))).at(-1);
      if (last === undefined) return 0;
      await this.moveEnds(manager, { ...ends, firstId: last.id, firstHash: last.hash });
      return gone.length;
    });
  }

  /** Throws away the sealed originals older than `hours`, at most `limit`. Returns how many went. */
  async forgetOriginals(hours: number, limit: number): Promise<number> {
    return this.transactions.run(async (manager) => {
      const gone = await rows(manager, FORGET, [hours, limit]);
      return gone.length;
    });
  }

  /** The newest entry, as the chain knows it; `undefined` before the first. */
  async end(): Promise<{ id: string; hash: string } | undefined> {
    return this.transactions.run(async (manager) => {
      const [ends] = await rows<KnownEnds>(manager, SELECT_ENDS);
      return ends && { id: ends.lastId, hash: ends.lastHash.toString('hex') };
    });
  }

  private async lockEnds(manager: EntityManager): Promise<ChainEnds> {
    const [ends] = await rows<KnownEnds>(manager, `${SELECT_ENDS} FOR UPDATE`);
    if (ends !== undefined) return ends;
    const none = { firstId: '0', firstHash: GENESIS, lastId: '0', lastHash: GENESIS };
    const { current } = this.keys;
    // Two at once: the second waits here for the first, and then finds its row.
    await rows(manager, FIRST_ENDS, [GENESIS, current.id, macOf(current, none)]);
    const [now] = await rows<KnownEnds>(manager, `${SELECT_ENDS} FOR UPDATE`);
    return now ?? none;
  }

  private async moveEnds(manager: EntityManager, ends: ChainEnds): Promise<void> {
    const { current } = this.keys;
    await rows(manager, MOVE_ENDS, [
      ends.firstId,
      ends.firstHash,
      ends.lastId,
      ends.lastHash,
      current.id,
      macOf(current, ends),
    ]);
  }
}

export const SELECT_ENDS = `
  SELECT first_id AS "firstId", first_hash AS "firstHash", last_id AS "lastId",
         last_hash AS "lastHash", key_id AS "keyId", mac
    FROM audit_chain`;

const FIRST_ENDS = `
  INSERT INTO audit_chain (first_id, first_hash, last_id, last_hash, key_id, mac)
  VALUES (0, $1, 0, $1, $2, $3)
  ON CONFLICT DO NOTHING`;

const MOVE_ENDS = `
  UPDATE audit_chain
     SET first_id = $1, first_hash = $2, last_id = $3, last_hash = $4, key_id = $5, mac = $6`;

const APPEND = `
  INSERT INTO audit_entries (id, at, kind, data, hash, key_id)
  SELECT id, at, kind, data::jsonb, hash, $6
    FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[])
      AS entry (id, at, kind, data, hash)`;

const KEEP = `
  INSERT INTO audit_originals (entry_id, sealed, key_id)
  SELECT id, sealed, $3 FROM unnest($1::bigint[], $2::bytea[]) AS original (id, sealed)`;

const RETIRE = `
  DELETE FROM audit_entries
   WHERE id IN (
     SELECT id FROM audit_entries
      WHERE id > $1 AND at < now() - make_interval(days => $2)
        AND id < (SELECT coalesce(min(id), 9223372036854775807) FROM audit_entries
                   WHERE id > $1 AND at >= now() - make_interval(days => $2))
      ORDER BY id LIMIT $3)
  RETURNING id, hash`;

const FORGET = `
  DELETE FROM audit_originals
   WHERE entry_id IN (
     SELECT entry_id FROM audit_originals
      WHERE at < now() - make_interval(hours => $1) ORDER BY at LIMIT $2)
  RETURNING entry_id`;
