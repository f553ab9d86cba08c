import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { ApiKeysService } from '../access/api-keys.service.js';
import { AdminActions } from '../admin/admin-actions.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminKeys } from '../admin/admin-keys.js';
import { AuditVerifier } from '../audit/audit-verifier.js';
import { CliModule } from '../cli.module.js';
import { DataKeysService } from '../deliveries/data-keys.service.js';
import { reasonOf } from '../doctor/reasons.js';
import { Settings, SettingsError } from '../platform/config/settings.js';
import { dataSourceOptions } from '../platform/database/data-source-options.js';
import { refusePendingMigrations } from '../platform/database/migrations.js';
import { prepareDatabase } from '../platform/database/prepare-database.js';
import { localUser } from '../platform/local-user.js';
import { neverPrintSettings } from '../platform/logging/secret-settings.js';
import { CommandError } from './command-error.js';
import { CommandLog } from './command-log.js';

/** The services that commands use. */
export interface CommandContext {
  readonly keys: ApiKeysService;
  readonly adminKeys: AdminKeys;
  readonly verifier: AuditVerifier;
  readonly dataKeys: DataKeysService;
  readonly actions: AdminActions;
  readonly settings: Settings;
  /** The user who runs the command, for the audit. */
  readonly actor: Actor;
}

/** Runs `work` on a migrated database; fails at once if the database is unavailable. */
export async function withContext(work: (context: CommandContext) => Promise<void>): Promise<void> {
  await withSettings(async (settings) => {
    await requireDatabase(settings);
    const app = await NestFactory.createApplicationContext(CliModule.forRoot(settings), {
      logger: new CommandLog(),
      abortOnError: false,
    });
    try {
      await work({
        actor: { keyId: '', service: localUser(), via: 'command' },
        keys: app.get(ApiKeysService, { strict: false }),
        adminKeys: app.get(AdminKeys, { strict: false }),
        verifier: app.get(AuditVerifier, { strict: false }),
        dataKeys: app.get(DataKeysService, { strict: false }),
        actions: app.get(AdminActions, { strict: false }),
        settings,
      });
    } finally {
      await app.close();
    }
  });
}

/**
 * Starts the embedded server if `DATABASE_URL` is not set outside production. Commands need only the database and
 * the audit keys, so the other required settings may be missing.
 */
export async function withSettings(
  work: (settings: Settings) => Promise<void>,
  { needsAuditKeys } = { needsAuditKeys: true },
): Promise<void> {
  const { settings: given, problems } = Settings.read({
    ...process.env,
    ROLES: 'webhooks',
    WEBHOOK_MODE: 'none',
  });
  const relevant = problems.filter(
    (problem) => needsAuditKeys || !problem.startsWith('AUDIT_KEYS is missing'),
  );
  if (relevant.length > 0) throw new SettingsError(relevant);
  if (given.NODE_ENV === 'production') return withDatabase(given, work);
  const { withLocalKeys } = await import('../dev/local-keys.js');
  const settings = await withLocalKeys(given);
  if (settings.DATABASE_URL !== undefined) return withDatabase(settings, work);
  const { startEmbeddedPostgres } = await import('../dev/embedded-postgres.js');
  const server = await startEmbeddedPostgres(settings.DATA_DIR);
  try {
    await withDatabase(settings.with({ DATABASE_URL: server.url }), async (local) => {
      await prepareDatabase(local, new CommandLog());
      await work(local);
    });
  } finally {
    if (server.startedHere) await server.stop();
  }
}

async function withDatabase(
  settings: Settings,
  work: (settings: Settings) => Promise<void>,
): Promise<void> {
  neverPrintSettings(settings);
  Logger.overrideLogger(new CommandLog());
  await work(settings);
}

/** Tries once, unlike a starting gateway, because a person waits. */
async function requireDatabase(settings: Settings): Promise<void> {
  const dataSource = new DataSource(
    dataSourceOptions(settings.with({ DATABASE_POOL_SIZE: 2 }), () => undefined),
  );
  try {
    await dataSource.initialize();
  } catch (error) {
    await dataSource.driver.disconnect().catch(() => undefined);
    throw new CommandError(
      `The database ${hostOf(settings)} cannot be used: ${reasonOf(error)}. ` +
        'Check DATABASE_URL, and that the server runs.',
    );
  }
  try {
    await refusePendingMigrations(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

function hostOf({ DATABASE_URL: url }: Settings): string {
  const host = url === undefined ? '' : new URL(url).host;
  return host === '' ? 'of DATABASE_URL' : `at ${host}`;
}
