import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import { Transactions } from '../platform/database/transactions.js';
import { AuditAlarm } from './audit-alarm.js';
import { chain, GENESIS, type ChainedEntry, type ChainEnds, type NewEntry } from './audit-entry.js';
import { formatHead } from './chain/audit-head.js';
import { AuditKeys } from './audit-keys.js';
import { findDeletable } from './chain/deletable-entries.js';
import { findSchemaChange } from './chain/audit-schema.js';
import {
  endsOf,
  findProblem,
  readChainState,
  type ChainProblem,
  type ChainState,
} from './chain/chain-state.js';
import { ChainStore } from './chain/chain.store.js';
import { isDatabaseUsed } from './chain/database-use.js';
import { KnownHead } from './chain/known-head.js';
import { continuedFrom, tamperingEntry, UNKNOWN_PROBLEM } from './chain/tampering.js';

/** An entry to append. */
export interface AppendedEntry {
  readonly entry: NewEntry;
  /** Encrypted. */
  readonly rawRequest?: Buffer;
}

/** The transaction of an append whose outcome may be unknown. */
export interface AppendAttempt {
  transaction?: string;
}

/** Appends within a transaction, which blocks other appends until it ends. */
export type Append = (appended: readonly AppendedEntry[]) => Promise<ChainedEntry[]>;

/** The effect of a transaction on the chain; valid once it is committed. */
interface ChainChange {
  problem?: ChainProblem;
  locked?: LockedChain;
}

interface LockedChain {
  readonly installation: string;
  readonly ends: ChainEnds;
}

/** Appends to the chain, deletes from its beginning, and records tampering in it. */
@Injectable()
export class AuditLog {
  private readonly logger = new Logger(AuditLog.name);
  private anchoring: Promise<void> | undefined;
  private reportedSchemaChange: string | undefined;

  constructor(
    private readonly keys: AuditKeys,
    private readonly transactions: Transactions,
    private readonly known: KnownHead,
    private readonly store: ChainStore,
    private readonly alarm: AuditAlarm,
  ) {}

  /**
   * Appends all entries or none. A lock on the chain's ends serializes processes. `attempt` receives the transaction id,
   * so that the caller can check its outcome later.
   */
  appendEntries(
    appended: readonly AppendedEntry[],
    attempt: AppendAttempt = {},
  ): Promise<ChainedEntry[]> {
    return this.transact(async (manager, append) => {
      const chained = await append(appended);
      const [row] = await rows<{ id: string }>(manager, `SELECT pg_current_xact_id()::text AS id`);
      if (row !== undefined) attempt.transaction = row.id;
      return chained;
    });
  }

  /** Runs `work` in a transaction that also appends. */
  async transact<T>(work: (manager: EntityManager, append: Append) => Promise<T>): Promise<T> {
    await this.ensureAnchor();
    return this.change((manager, change) =>
      work(manager, (appended) => this.appendWithin(manager, change, appended)),
    );
  }

  /** Whether a transaction without an answer to its commit was committed. Throws while it is open. */
  wasCommitted(transaction: string): Promise<boolean> {
    return this.transactions.run(async (manager) => {
      const [row] = await rows<{ status: string | null }>(
        manager,
        `SELECT pg_xact_status($1::xid8) AS status`,
        [transaction],
      );
      if (row?.status === 'in progress') throw new Error('a write of the audit is still running');
      return row?.status === 'committed';
    });
  }

  /**
   * Creates the anchor in a database that was never used; in any other, a missing anchor is tampering. Signs the anchor
   * and the ends with the current key if an older one did.
   */
  ensureAnchor(): Promise<void> {
    this.anchoring ??= this.change((manager, change) => this.anchorWithin(manager, change)).catch(
      (error: unknown) => {
        this.anchoring = undefined;
        throw error;
      },
    );
    return this.anchoring;
  }

  /** Compares the chain with the head that this process remembers, and records tampering in the chain. */
  async checkChain(): Promise<ChainProblem | undefined> {
    const schemaChange = await this.transactions.run(findSchemaChange);
    if (schemaChange !== undefined) this.reportSchemaChange(schemaChange);
    const known = this.known.current;
    const state = await this.transactions.run((manager) => readChainState(manager, known));
    const problem = findProblem(this.keys, state, known);
    const [[ends], [anchor]] = [state.ends, state.anchors];
    if (problem === undefined) {
      if (ends !== undefined && anchor !== undefined) {
        const { lastId: id, lastHash: hash } = ends;
        this.known.remember({ id, hash, installation: anchor.id });
      }
      return undefined;
    }
    try {
      await this.appendEntries([]);
    } catch (error) {
      this.alarm.raise(problem.message, { recorded: false });
      throw error;
    }
    return problem;
  }

  /** The newest entry as one word for the log; `undefined` if the chain has no anchor. */
  async readHead(): Promise<string | undefined> {
    const { ends, anchors } = await this.transactions.run((manager) =>
      readChainState(manager, undefined),
    );
    const [[end], [anchor]] = [ends, anchors];
    if (end === undefined || anchor === undefined) return undefined;
    return formatHead(this.keys, anchor.id, { id: end.lastId, hash: end.lastHash }, new Date());
  }

  /** Ids of keys that signed entries and are not configured. */
  async missingKeys(): Promise<string[]> {
    const { ends } = await this.transactions.run((manager) => readChainState(manager, undefined));
    const ids = ends.flatMap((stored) => [stored.keyId, ...Object.keys(endsOf(stored).keys)]);
    return [...new Set(ids)].filter((id) => this.keys.find(id) === undefined);
  }

  /**
   * Deletes entries older than `days` from the beginning of the chain, at most `limit`, and returns their number. The
   * rest stays verifiable, because the chain keeps the hash of the last deleted entry. Deletes only verified entries:
   * otherwise a changed time would cut the chain.
   */
  async deleteOldEntries(days: number, limit: number): Promise<number> {
    await this.ensureAnchor();
    return this.change(async (manager, change) => {
      const { installation, ends } = await this.lockChain(manager, change);
      if (change.problem !== undefined) return 0;
      const before = new Date(Date.now() - days * 86_400_000);
      const { last, count, stoppedBy } = await findDeletable(
        manager,
        this.keys,
        ends,
        before,
        limit,
      );
      if (stoppedBy !== undefined) this.reportStopped(stoppedBy);
      if (last === undefined) return 0;
      const deleted = await this.store.deleteEntries(manager, ends.firstId, last.id);
      if (deleted !== count) throw new Error('another process changed the beginning of the audit');
      const moved = { ...ends, firstId: last.id, firstHash: last.hash };
      await this.store.moveEnds(manager, installation, moved);
      return deleted;
    });
  }

  /** Deletes raw requests older than `hours`, at most `limit`, and returns their number. */
  deleteRawRequests(hours: number, limit: number): Promise<number> {
    return this.transactions.run((manager) => this.store.deleteRawRequests(manager, hours, limit));
  }

  /** Runs `work` in a transaction, and remembers the new head once it is committed. */
  private async change<T>(
    work: (manager: EntityManager, change: ChainChange) => Promise<T>,
  ): Promise<T> {
    const change: ChainChange = {};
    const result = await this.transactions.run((manager) => work(manager, change));
    const { problem, locked } = change;
    if (locked !== undefined) {
      const { installation, ends } = locked;
      const head = { id: ends.lastId, hash: ends.lastHash.toString('hex'), installation };
      if (problem === undefined) this.known.remember(head);
      else this.known.replace(head);
    }
    if (problem?.code === 'key_missing') this.logger.warn({ msg: problem.message });
    else if (problem !== undefined)
      this.alarm.raise(problem.message, { entry: locked?.ends.lastId ?? null });
    return result;
  }

  private async appendWithin(
    manager: EntityManager,
    change: ChainChange,
    appended: readonly AppendedEntry[],
  ): Promise<ChainedEntry[]> {
    const { installation, ends: before } = await this.lockChain(manager, change);
    if (appended.length === 0) return [];
    const entries = appended.map(({ entry }) => entry);
    const { chained, ends } = chain(this.keys.current, before, entries);
    await this.store.insertEntries(manager, chained);
    const rawRequests = chained.flatMap(({ id }, n) => {
      const rawRequest = appended[n]?.rawRequest;
      return rawRequest === undefined ? [] : [{ id, rawRequest }];
    });
    if (rawRequests.length > 0) await this.store.insertRawRequests(manager, rawRequests);
    await this.store.moveEnds(manager, installation, ends);
    change.locked = { installation, ends };
    return chained;
  }

  /**
   * Locks the chain and compares it with the remembered head. Tampering is recorded as an entry, and the chain continues
   * after it, so that an attacker cannot stop the audit.
   */
  private async lockChain(manager: EntityManager, change: ChainChange): Promise<LockedChain> {
    await this.store.lockEnds(manager);
    const known = change.locked === undefined ? this.known.current : undefined;
    const state = await readChainState(manager, known);
    const problem = findProblem(this.keys, state, known);
    const [[anchor], [stored]] = [state.anchors, state.ends];
    if (problem === undefined && anchor !== undefined && stored !== undefined) {
      const locked = { installation: anchor.id, ends: endsOf(stored) };
      change.locked ??= locked;
      return locked;
    }
    const found = problem ?? UNKNOWN_PROBLEM;
    change.problem = found;
    const installation = await this.repairAnchor(manager, state, found);
    const entry = tamperingEntry(found, state, known);
    const { chained, ends } = chain(this.keys.current, continuedFrom(state), [entry]);
    await this.store.insertEntries(manager, chained);
    await this.store.replaceEnds(manager, installation, ends);
    change.locked = { installation, ends };
    return change.locked;
  }

  private async anchorWithin(manager: EntityManager, change: ChainChange): Promise<void> {
    await manager.query('LOCK TABLE installation IN SHARE ROW EXCLUSIVE MODE');
    const { current } = this.keys;
    const { anchors } = await readChainState(manager, undefined);
    const [anchor] = anchors;
    if (anchor === undefined) {
      if (await isDatabaseUsed(manager)) return;
      const installation = await this.store.insertAnchor(manager);
      const ends = { firstId: '0', firstHash: GENESIS, lastId: '0', lastHash: GENESIS, keys: {} };
      await this.store.insertEnds(manager, installation, ends);
      change.locked = { installation, ends };
      return;
    }
    const [stored] = (await readChainState(manager, undefined)).ends;
    if (anchor.keyId === current.id && stored?.keyId === current.id) return;
    const { installation, ends } = await this.lockChain(manager, change);
    if (change.problem !== undefined) return;
    await this.store.signAnchor(manager, installation);
    await this.store.moveEnds(manager, installation, ends);
  }

  /** Returns the id of the anchor; creates a new one if the old one is not valid. */
  private async repairAnchor(
    manager: EntityManager,
    { anchors }: ChainState,
    { code }: ChainProblem,
  ): Promise<string> {
    const [anchor] = anchors;
    const isKept = code !== 'anchor_missing' && code !== 'anchor_changed' && code !== 'unkeyed';
    if (anchor !== undefined && isKept) return anchor.id;
    return this.store.replaceAnchor(manager);
  }

  /** Reports each schema change once, because it stays until an operator repairs it. */
  private reportSchemaChange(reason: string): void {
    if (this.reportedSchemaChange === reason) return;
    this.reportedSchemaChange = reason;
    this.alarm.raise(reason);
  }

  private reportStopped({ id, problem }: { id: string; problem: ChainProblem }): void {
    const { code, message } = problem;
    if (code === 'key_missing') {
      this.logger.warn({
        msg: 'audit retention stopped',
        entry: id,
        reason: message,
      });
    } else {
      this.alarm.raise(message, { entry: id });
    }
  }
}
