import type { DataSource } from 'typeorm';

/** Any constant will do, as long as all gateways on a database use the same. */
const MIGRATION_LOCK = 7_203_114_905;

export class PendingMigrationsError extends Error {
  constructor() {
    super(
      'The database lacks migrations of this version. Run `npm run migrate` (or set DATABASE_MIGRATIONS=run).',
    );
    this.name = 'PendingMigrationsError';
  }
}

/** Runs `work` in one process at a time, however many start at once on the same database. */
export async function withMigrationLock<T>(
  dataSource: DataSource,
  work: () => Promise<T>,
): Promise<T> {
  const lock = dataSource.createQueryRunner();
  try {
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await work();
  } finally {
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await lock.release();
  }
}

/** Throws `PendingMigrationsError` where the schema is older than this version of the gateway. */
export async function refusePendingMigrations(dataSource: DataSource): Promise<void> {
  if (await dataSource.showMigrations()) throw new PendingMigrationsError();
}
