import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../platform/config/settings.js';
import { startEmbeddedPostgres } from '../platform/database/embedded-postgres.js';
import { localTokenKeys } from './local-token-keys.js';

/**
 * Runs `work` with the keys and the embedded database that a local gateway has made for itself. Makes none:
 * where no gateway has been started here, and in production, the settings stay as they are.
 */
export async function withKeptParts<T>(
  settings: Settings,
  work: (settings: Settings, embedded: boolean) => Promise<T>,
): Promise<T> {
  const { DATA_DIR: directory, DATABASE_URL: url, TOKEN_KEYS: keys } = settings;
  if (settings.NODE_ENV === 'production') return work(settings, false);
  const local =
    keys === undefined && existsSync(join(directory, 'token-keys'))
      ? settings.with({ TOKEN_KEYS: await localTokenKeys(directory) })
      : settings;
  if (url !== undefined || !existsSync(join(directory, 'postgres', 'PG_VERSION'))) {
    return work(local, false);
  }
  const server = await startEmbeddedPostgres(directory);
  try {
    return await work(local.with({ DATABASE_URL: server.url }), true);
  } finally {
    if (server.startedHere) await server.stop();
  }
}
