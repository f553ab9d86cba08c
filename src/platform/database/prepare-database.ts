import { setTimeout } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Settings } from '../config/settings.js';
import { isDatabaseAway } from './database-errors.js';
import { dataSourceOptions } from './data-source-options.js';
import { refusePendingMigrations, withMigrationLock } from './migrations.js';

const PATIENCE_SECONDS = 120;

/**
 * Waits for the database, then brings it up to date or, where that is somebody else's duty, refuses
 * to start on one that is not. `installQueues` sets up what the task queue keeps there.
 */
export async function prepareDatabase(
  settings: Settings,
  log: LoggerService,
  installQueues: (databaseUrl: string) => Promise<void>,
): Promise<void> {
  const dataSource = await connected(settings, log);
  try {
    if (migrates(settings)) {
      await withMigrationLock(dataSource, async () => {
        const done = await dataSource.runMigrations();
        for (const { name } of done) log.log(`migration ${name} applied`, 'Database');
        await installQueues(settings.DATABASE_URL ?? '');
      });
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

async function connected(settings: Settings, log: LoggerService): Promise<DataSource> {
  const begin = performance.now();
  for (;;) {
    const dataSource = new DataSource(
      dataSourceOptions(settings.with({ DATABASE_POOL_SIZE: 3 }), () => undefined),
    );
    try {
      return await dataSource.initialize();
    } catch (error) {
      if (!isDatabaseAway(error) || performance.now() - begin > PATIENCE_SECONDS * 1000)
        throw error;
      log.warn({ msg: 'waiting for the database', err: error });
      await setTimeout(2000);
    }
  }
}
