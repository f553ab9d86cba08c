import { setTimeout } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { dataSourceOptions, type DatabaseSettings } from './data-source-options.js';
import { isDatabaseAway, isRefusedOption, isSessionRefused } from './database-errors.js';
import { requireSuitableDatabase, UnsuitableDatabaseError } from './database-requirements.js';

const MAX_WAIT_SECONDS = 120;
const RETRY_MILLISECONDS = 2000;

/** An error that waiting does not resolve, such as a wrong password, a missing database, or a bad certificate. */
export class UnusableDatabaseError extends Error {
  constructor(cause: Error) {
    const advice = isRefusedOption(cause) ? ' Perhaps it needs DATABASE_SESSION_LIMITS=off.' : '';
    super(`The database of DATABASE_URL refuses the gateway: ${cause.message}.${advice}`, {
      cause,
    });
    this.name = 'UnusableDatabaseError';
  }
}

/** Opens the database. Waits while it is unreachable, silent, or starting. */
export async function awaitDatabase(
  settings: DatabaseSettings,
  log: Pick<LoggerService, 'warn'>,
): Promise<DataSource> {
  const begin = performance.now();
  for (;;) {
    const dataSource = new DataSource(dataSourceOptions(settings, () => undefined));
    try {
      await dataSource.initialize();
      await requireSuitableDatabase(dataSource);
      return dataSource;
    } catch (error) {
      // The attempt may have created a pool.
      await dataSource.driver.disconnect().catch(() => undefined);
      if (!isDatabaseAway(error) || isSessionRefused(error)) {
        if (!(error instanceof Error) || error instanceof UnsuitableDatabaseError) throw error;
        throw new UnusableDatabaseError(error);
      }
      if (performance.now() - begin > MAX_WAIT_SECONDS * 1000) {
        const message = `The database of DATABASE_URL was not there for ${MAX_WAIT_SECONDS} seconds`;
        throw new Error(message, { cause: error });
      }
      log.warn({ msg: 'waiting for the database', err: error });
      await setTimeout(RETRY_MILLISECONDS);
    }
  }
}
