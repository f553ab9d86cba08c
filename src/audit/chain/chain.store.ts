import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';
import { macOfEnds, type ChainedEntry, type ChainEnds } from '../audit-entry.js';
import { AuditKeys } from '../audit-keys.js';
import { macOfAnchor } from './chain-state.js';

/** All writes to `audit_entries`, `audit_chain`, `audit_originals`, and `installation`. */
@Injectable()
export class ChainStore {
  constructor(private readonly keys: AuditKeys) {}

  /** Blocks other appends until the transaction ends. */
  async lockEnds(manager: EntityManager): Promise<void> {
    const locked = await rows(manager, 'SELECT 1 FROM audit_chain FOR UPDATE');
    if (locked.length !== 1) await manager.query(LOCK_CHAIN);
  }

  async insertAnchor(manager: EntityManager): Promise<string> {
    const id = randomUUID();
    const { current } = this.keys;
    await rows(manager, INSERT_ANCHOR, [id, current.id, macOfAnchor(current, id)]);
    return id;
  }

  async replaceAnchor(manager: EntityManager): Promise<string> {
    await manager.query('DELETE FROM installation');
    return this.insertAnchor(manager);
  }

  /** Signs the anchor with the current key. */
  async signAnchor(manager: EntityManager, installation: string): Promise<void> {
    const { current } = this.keys;
    await rows(manager, SIGN_ANCHOR, [current.id, macOfAnchor(current, installation)]);
  }

  async insertEntries(manager: EntityManager, chained: readonly ChainedEntry[]): Promise<void> {
    await rows(manager, APPEND, [
      chained.map(({ id }) => id),
      chained.map(({ at }) => at),
      chained.map(({ kind }) => kind),
      chained.map(({ data }) => JSON.stringify(data)),
      chained.map(({ hash }) => hash),
      this.keys.current.id,
    ]);
  }

  async insertRawRequests(
    manager: EntityManager,
    stored: readonly { readonly id: string; readonly rawRequest: Buffer }[],
  ): Promise<void> {
    await rows(manager, INSERT_RAW_REQUESTS, [
      stored.map(({ id }) => id),
      stored.map(({ rawRequest }) => rawRequest),
      this.keys.current.id,
    ]);
  }

  async insertEnds(manager: EntityManager, installation: string, ends: ChainEnds): Promise<void> {
    await rows(manager, FIRST_ENDS, this.endsRow(installation, ends));
  }

  async replaceEnds(manager: EntityManager, installation: string, ends: ChainEnds): Promise<void> {
    await manager.query('DELETE FROM audit_chain');
    await this.insertEnds(manager, installation, ends);
  }

  async moveEnds(manager: EntityManager, installation: string, ends: ChainEnds): Promise<void> {
    const keys = Object.entries(ends.keys).filter(
      ([, last]) => BigInt(last) > BigInt(ends.firstId),
    );
    const moved = { ...ends, keys: Object.fromEntries(keys) };
    await rows(manager, MOVE_ENDS, this.endsRow(installation, moved));
  }

  /** Deletes the entries after `firstId` up to `lastId`, and returns their number. */
  async deleteEntries(manager: EntityManager, firstId: string, lastId: string): Promise<number> {
    await manager.query(`SET LOCAL gateway.audit_retention = 'on'`);
    return (await rows(manager, DELETE_OLD_ENTRIES, [firstId, lastId])).length;
  }

  async deleteRawRequests(manager: EntityManager, hours: number, limit: number): Promise<number> {
    return (await rows(manager, DELETE_RAW_REQUESTS, [hours, limit])).length;
  }

  private endsRow(installation: string, ends: ChainEnds): unknown[] {
    const { current } = this.keys;
    const { firstId, firstHash, lastId, lastHash, keys } = ends;
    const mac = macOfEnds(current, installation, ends);
    return [firstId, firstHash, lastId, lastHash, JSON.stringify(keys), current.id, mac];
  }
}

const LOCK_CHAIN = 'LOCK TABLE audit_chain IN SHARE ROW EXCLUSIVE MODE';

const INSERT_ANCHOR = `INSERT INTO installation (id, key_id, mac) VALUES ($1, $2, $3)`;

const SIGN_ANCHOR = `UPDATE installation SET key_id = $1, mac = $2`;

const FIRST_ENDS = `
  INSERT INTO audit_chain (first_id, first_hash, last_id, last_hash, keys, key_id, mac)
  VALUES ($1, $2, $3, $4, $5, $6, $7)`;

const MOVE_ENDS = `
  UPDATE audit_chain
     SET first_id = $1, first_hash = $2, last_id = $3, last_hash = $4, keys = $5, key_id = $6, mac = $7`;

const APPEND = `
  INSERT INTO audit_entries (id, at, kind, data, hash, key_id)
  SELECT id, at, kind, data::jsonb, hash, $6
    FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[])
      AS entry (id, at, kind, data, hash)`;

const INSERT_RAW_REQUESTS = `
  INSERT INTO audit_originals (entry_id, sealed, key_id)
  SELECT id, sealed, $3 FROM unnest($1::bigint[], $2::bytea[]) AS original (id, sealed)
  -- An entry that was cut off from the chain left its raw request behind.
  ON CONFLICT (entry_id) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id, at = now()`;

const DELETE_OLD_ENTRIES = `DELETE FROM audit_entries WHERE id > $1 AND id <= $2 RETURNING id`;

const DELETE_RAW_REQUESTS = `
  DELETE FROM audit_originals
   WHERE entry_id IN (
     SELECT entry_id FROM audit_originals
      WHERE at < now() - make_interval(hours => $1) ORDER BY at LIMIT $2)
  RETURNING entry_id`;
