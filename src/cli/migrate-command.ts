import { prepareDatabase } from '../platform/database/prepare-database.js';
import { withSettings } from './command-context.js';
import { CommandLog } from './command-log.js';
import { print } from './print.js';

/** Waits for a starting database, because deployments start both at once. */
export function runMigrations(): Promise<void> {
  return withSettings(
    async (settings) => {
      const run = settings.with({ DATABASE_MIGRATIONS: 'run' });
      await prepareDatabase(run, new CommandLog(true));
      print('The database is up to date.');
    },
    { needsAuditKeys: false },
  );
}
