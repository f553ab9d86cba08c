import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Settings } from '../config/settings.js';
import { rows } from '../database/sql.js';
import { Transactions } from '../database/transactions.js';
import { DatabaseSession, SESSION_NAME, type Query, type SessionUser } from './database-session.js';
import { GoneWorkers, type GoneWorker } from './gone-workers.js';

/** Class of the advisory locks of workers; the second key is the id of the worker. */
const LOCK_CLASS = 0x7265_6477;
/** Well below the ten seconds after which PostgreSQL ends a silent session. */
const PROOF_MILLISECONDS = 5000;
const LOCK_ATTEMPTS = 20;
const LOCK_RETRY_MILLISECONDS = 50;

type OnGone = (manager: EntityManager, worker: GoneWorker) => Promise<void>;

/**
 * The lock that says that this worker process lives. It is held on the session, so it goes with the process, the
 * machine, or the network. Every worker watches the others, and frees the leases of one whose lock is gone.
 */
@Injectable()
export class WorkerLock implements SessionUser {
  private readonly logger = new Logger('Work');
  private readonly gone = new GoneWorkers();
  private readonly freeing = new Set<number>();
  private readonly goneListeners = new Map<string, OnGone>();
  private readonly heldListeners: (() => void)[] = [];
  private worker: number | undefined;
  private provedAt = -Infinity;

  constructor(
    private readonly settings: Settings,
    private readonly session: DatabaseSession,
    private readonly transactions: Transactions,
  ) {}

  /** Id of this worker while it surely holds its lock. */
  get heldBy(): number | undefined {
    return performance.now() - this.provedAt < PROOF_MILLISECONDS ? this.worker : undefined;
  }

  /** Calls `listener` whenever the lock is held, for the first time or again. */
  onHeld(listener: () => void): void {
    this.heldListeners.push(listener);
  }

  /**
   * Call in `onModuleInit`, once for each table with leases; without it there is no lock and no work. `listener` frees
   * the leases of a dead worker, in a transaction in which its lock cannot return.
   */
  onGone(table: string, listener: OnGone): void {
    if (this.goneListeners.size === 0) this.session.use(this);
    this.goneListeners.set(table, listener);
  }

  /** Whether the leases in `table` are freed if their worker dies. */
  freesLeases(table: string): boolean {
    return this.goneListeners.has(table);
  }

  async opened(query: Query): Promise<void> {
    this.gone.reset();
    const begin = performance.now();
    if (this.worker === undefined || !(await lockAgain(query, this.worker))) {
      const keys = (this.settings.DATA_KEYS ?? []).map(({ version }) => version);
      this.worker = await newWorker(query, keys);
    }
    this.provedAt = begin;
    for (const listener of this.heldListeners) listener();
  }

  async beat(query: Query): Promise<void> {
    const begin = performance.now();
    const observed = await query<ObservedRow>(OBSERVE, [LOCK_CLASS]);
    this.provedAt = begin;
    const [first] = observed;
    if (first === undefined) return;
    const { at, serverStartedAt } = first;
    const workers = observed.map(({ id, isLocked }) => ({ id, isLocked }));
    for (const worker of this.gone.observe({ at, serverStartedAt, workers })) {
      if (worker.id === this.worker || this.freeing.has(worker.id)) continue;
      this.freeing.add(worker.id);
      void this.free(worker).finally(() => this.freeing.delete(worker.id));
    }
  }

  closed(): void {
    this.provedAt = -Infinity;
  }

  private async free(worker: GoneWorker): Promise<void> {
    try {
      const wasFreed = await this.transactions.run(async (manager) => {
        const [lock] = await rows<{ taken: boolean }>(manager, TAKE_IN_TRANSACTION, [
          LOCK_CLASS,
          worker.id,
        ]);
        if (lock?.taken !== true) return false;
        const removed = await rows(manager, REMOVE, [worker.id]);
        if (removed.length === 0) return false;
        for (const listener of this.goneListeners.values()) await listener(manager, worker);
        return true;
      });
      if (wasFreed)
        this.logger.warn({ msg: 'a worker is gone; its work is free', worker: worker.id });
    } catch (error) {
      this.logger.warn({ msg: 'could not free the work of a worker that is gone', err: error });
    }
  }
}

interface ObservedRow {
  readonly id: number;
  readonly isLocked: boolean;
  readonly at: Date;
  readonly serverStartedAt: Date;
}

/** False if the worker was taken for dead meanwhile. */
async function lockAgain(query: Query, worker: number): Promise<boolean> {
  for (let attempt = 1; attempt <= LOCK_ATTEMPTS; attempt += 1) {
    const [lock] = await query<{ taken: boolean }>(TAKE, [LOCK_CLASS, worker]);
    if (lock?.taken === true) {
      const known = await query('SELECT FROM workers WHERE id = $1', [worker]);
      return known.length === 1;
    }
    await query(END_LAST_SESSION, [LOCK_CLASS, worker]);
    await setTimeout(LOCK_RETRY_MILLISECONDS);
  }
  return false;
}

/** Locked before others can see it. */
async function newWorker(query: Query, dataKeys: readonly number[]): Promise<number> {
  const [next] = await query<{ id: number }>(`SELECT nextval('worker_ids')::integer AS id`);
  if (next === undefined) throw new Error('the sequence of workers has no value');
  const [lock] = await query<{ taken: boolean }>(TAKE, [LOCK_CLASS, next.id]);
  if (lock?.taken !== true) throw new Error('the lock of a new worker is taken');
  await query('INSERT INTO workers (id, data_keys) VALUES ($1, $2)', [next.id, dataKeys]);
  return next.id;
}

/** The workers that live and lack key $1 of `DATA_KEYS`. */
export const WORKERS_WITHOUT_KEY = `
  SELECT workers.id
    FROM workers
    JOIN pg_locks AS locked
      ON locked.locktype = 'advisory' AND locked.classid = ${LOCK_CLASS} AND locked.objsubid = 2
     AND locked.objid = workers.id::bigint::oid AND locked.granted
     AND locked.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   WHERE $1 <> ALL (data_keys)`;

const TAKE = 'SELECT pg_try_advisory_lock($1, $2) AS taken';
const TAKE_IN_TRANSACTION = 'SELECT pg_try_advisory_xact_lock($1, $2) AS taken';
/** PostgreSQL may not have noticed yet that the last session of this worker is gone. */
const END_LAST_SESSION = `
  SELECT pg_terminate_backend(pid)
    FROM pg_locks JOIN pg_stat_activity USING (pid)
   WHERE locktype = 'advisory' AND classid = $1::bigint::oid AND objid = $2::bigint::oid AND objsubid = 2
     AND granted AND application_name = '${SESSION_NAME}' AND datname = current_database()`;
const REMOVE = 'DELETE FROM workers WHERE id = $1 RETURNING id';

/** `objsubid` 2: a lock of two keys. */
const OBSERVE = `
  SELECT workers.id, locked.objid IS NOT NULL AS "isLocked", clock_timestamp() AS at,
         pg_postmaster_start_time() AS "serverStartedAt"
    FROM workers
    LEFT JOIN pg_locks AS locked
      ON locked.locktype = 'advisory' AND locked.classid = $1::bigint::oid AND locked.objsubid = 2
     AND locked.objid = workers.id::bigint::oid AND locked.granted
     AND locked.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
