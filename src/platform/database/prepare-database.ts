import type { LoggerService } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Settings } from '../config/settings.js';
import { awaitDatabase } from './await-database.js';
import { dataSourceOptions } from './data-source-options.js';
import { refusePendingMigrations, withMigrationLock } from './migrations.js';

/** One for the lock, and one for what runs under it. */
const CONNECTIONS = { DATABASE_POOL_SIZE: 2 };

/**
 * Waits for the database, then brings it up to date or, where that is somebody else's duty, refuses
 * to start on one that is not.
 */
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
  // Ends its connections, and so whatever runs on them. The second call finds them ended.
  const close = (): Promise<void> => dataSource.destroy().catch(() => undefined);
  lost.addEventListener('abort', () => void close(), { once: true });
  try {
    const done = await dataSource.runMigrations();
    for (const { name } of done) log.log(`migration ${name} applied`, 'Database');
  } finally {
    await close();
  }
}
