import type { DataSourceOptions } from 'typeorm';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { Settings } from '../config/settings.js';

/**
 * How every process of the gateway opens its database.
 *
 * @param onPoolError hears of connections that broke while idle; without it they would end the process.
 */
export function dataSourceOptions(
  settings: Pick<Settings, 'DATABASE_URL' | 'DATABASE_POOL_SIZE'>,
  onPoolError: (error: unknown) => void,
): DataSourceOptions {
  if (settings.DATABASE_URL === undefined) throw new Error('DATABASE_URL is not set');
  return {
    type: 'postgres',
    url: settings.DATABASE_URL,
    applicationName: 'reducto-gateway',
    connectTimeoutMS: 5000,
    poolErrorHandler: onPoolError,
    installExtensions: false,
    uuidExtension: 'pgcrypto',
    migrations: MIGRATIONS,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
    logging: false,
    extra: {
      max: settings.DATABASE_POOL_SIZE,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      // A connection that went silent must not hold a request for ever: the client gives up, and
      // the server ends what a vanished client left open.
      query_timeout: 30_000,
      statement_timeout: 25_000,
      idle_in_transaction_session_timeout: 60_000,
    },
  };
}
