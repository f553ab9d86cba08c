import type { DataSourceOptions } from 'typeorm';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { Settings } from '../config/settings.js';
import { connectionLimits, type LimitSettings, type Purpose } from './connection-limits.js';

export type DatabaseSettings = Pick<Settings, 'DATABASE_POOL_SIZE'> & LimitSettings;

/**
 * The options with which every process opens its database.
 * @param onPoolError receives errors of idle connections; without a handler they would end the process
 */
export function dataSourceOptions(
  settings: DatabaseSettings,
  onPoolError: (error: unknown) => void,
  purpose: Purpose = 'work',
): DataSourceOptions {
  if (settings.DATABASE_URL === undefined) throw new Error('DATABASE_URL is not set');
  return {
    type: 'postgres',
    url: settings.DATABASE_URL,
    applicationName: 'reducto-gateway',
    poolErrorHandler: onPoolError,
    installExtensions: false,
    uuidExtension: 'pgcrypto',
    migrations: MIGRATIONS,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
    logging: false,
    extra: { max: settings.DATABASE_POOL_SIZE, ...connectionLimits(settings, purpose) },
  };
}
