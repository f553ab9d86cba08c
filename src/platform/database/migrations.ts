import { setTimeout } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';

/** An arbitrary constant that all gateways on a database share. */
const MIGRATION_LOCK = 7_203_114_905;

const LOCK_RETRY_MILLISECONDS = 1000;
const HEARTBEAT_MILLISECONDS = 2000;

export class PendingMigrationsError extends Error {
  constructor() {
    super(
      'The database lacks migrations of this version. Run `npm run migrate` (or set DATABASE_MIGRATIONS=run).',
    );
    this.name = 'PendingMigrationsError';
  }
}

/** Another process may hold the lock now: this one stops its migration, and a restart checks the schema again. */
export class MigrationLockLostError extends Error {
  constructor(cause: unknown) {
    super('The database was lost while migrations ran', { cause });
    this.name = 'MigrationLockLostError';
  }
}

/**
 * Runs `work` in one process at a time.
 *
 * The server releases the lock when the session of its process ends. While `work` runs, the session is probed, so that it
 * is not closed as idle, and a silent database is detected within seconds, although a migration itself may be silent for
 * an hour. `lost` is aborted then, and `work` must stop.
 */
export async function withMigrationLock<T>(
  dataSource: DataSource,
  work: (lost: AbortSignal) => Promise<T>,
): Promise<T> {
  const session = dataSource.createQueryRunner();
  const done = new AbortController();
  const lost = new AbortController();
  try {
    // Polled, because the server limits how long a statement waits for a lock.
    while (!(await takes(session))) await setTimeout(LOCK_RETRY_MILLISECONDS);
    const watch = staysAlive(session, done.signal).catch((error: unknown) => lost.abort(error));
    try {
      return await work(lost.signal);
    } catch (error) {
      throw lost.signal.aborted ? new MigrationLockLostError(lost.signal.reason) : error;
    } finally {
      done.abort();
      await watch;
      await session.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    }
  } finally {
    await session.release();
  }
}

async function takes(session: QueryRunner): Promise<boolean> {
  const sql = 'SELECT pg_try_advisory_lock($1) AS taken';
  const [row]: { taken: boolean }[] = await session.query(sql, [MIGRATION_LOCK]);
  return row?.taken === true;
}

async function staysAlive(session: QueryRunner, done: AbortSignal): Promise<void> {
  for (;;) {
    await setTimeout(HEARTBEAT_MILLISECONDS, undefined, { signal: done }).catch(() => undefined);
    if (done.aborted) return;
    await session.query('SELECT 1');
  }
}

/** Throws `PendingMigrationsError` if the schema is older than this version of the gateway. */
export async function refusePendingMigrations(dataSource: DataSource): Promise<void> {
  if (await dataSource.showMigrations()) throw new PendingMigrationsError();
}
