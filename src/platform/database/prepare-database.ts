import type { LoggerService } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Settings } from '../config/settings.js';
import { awaitDatabase } from './await-database.js';
import { dataSourceOptions } from './data-source-options.js';
import { refusePendingMigrations, withMigrationLock } from './migrations.js';

/** One connection for the lock, one for the migrations. */
const CONNECTIONS = { DATABASE_POOL_SIZE: 2 };

/** Waits for the database and migrates it; with `DATABASE_MIGRATIONS=check`, refuses pending migrations instead. */
export async function prepareDatabase(settings: Settings, log: LoggerService): Promise<void> {
  const dataSource = await awaitDatabase(settings.with(CONNECTIONS), log);
  try {
    if (migrates(settings)) {
      await withMigrationLock(dataSource, (lost) => migrate(settings, log, lost));
    } else {
      await refusePendingMigrations(dataSource);
    }
  } finally {
    await dataSource.destroy();
  }
}

function migrates(settings: Settings): boolean {
  if (settings.DATABASE_MIGRATIONS === 'auto') return settings.NODE_ENV !== 'production';
  return settings.DATABASE_MIGRATIONS === 'run';
}

async function migrate(settings: Settings, log: LoggerService, lost: AbortSignal): Promise<void> {
  const options = dataSourceOptions(settings.with(CONNECTIONS), () => undefined, 'migrations');
  const dataSource = await new DataSource(options).initialize();
  // Closes its connections, which ends their statements. A second call has no effect.
  const close = (): Promise<void> => dataSource.destroy().catch(() => undefined);
  lost.addEventListener('abort', () => void close(), { once: true });
  try {
    const done = await dataSource.runMigrations();
    logApplied(settings, log, done);
  } finally {
    await close();
  }
}

/** In production each by its name; a local gateway applies all of them to an empty database. */
function logApplied(
  settings: Settings,
  log: LoggerService,
  done: readonly { readonly name: string }[],
): void {
  if (done.length > 1 && settings.NODE_ENV !== 'production') {
    log.log(`${done.length} migrations applied`, 'Database');
    return;
  }
  for (const { name } of done) log.log(`migration ${name} applied`, 'Database');
}
