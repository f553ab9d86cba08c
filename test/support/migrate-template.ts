import 'reflect-metadata';
import type { Settings } from '../../src/platform/config/settings.js';
import { prepareDatabase } from '../../src/platform/database/prepare-database.js';

const silent = { log: () => undefined, error: () => undefined, warn: () => undefined };

export function migrateTemplate(settings: Settings): Promise<void> {
  return prepareDatabase(settings, silent);
}
