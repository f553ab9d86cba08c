import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../platform/config/settings.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { withLocalKeys } from './local-keys.js';

/**
 * Runs `work` with the keys and the embedded database that a local gateway has made for itself. Makes none:
 * where no gateway has been started here, and in production, the settings stay as they are.
 */
export async function withLocalState<T>(
  settings: Settings,
  work: (settings: Settings, embedded: boolean) => Promise<T>,
): Promise<T> {
  const { DATA_DIR: directory, DATABASE_URL: url } = settings;
  const local = existsSync(join(directory, 'token-keys'))
    ? await withLocalKeys(settings)
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
