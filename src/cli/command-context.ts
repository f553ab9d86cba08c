import { mkdir } from 'node:fs/promises';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { ApiKeysService } from '../access/api-keys.service.js';
import { AdminActions, type AdminAction } from '../admin/admin-actions.js';
import { AuditVerifier } from '../audit/audit-verifier.js';
import { CliModule } from '../cli.module.js';
import { reasonOf } from '../doctor/reasons.js';
import { Settings } from '../platform/config/settings.js';
import { dataSourceOptions } from '../platform/database/data-source-options.js';
import { startEmbeddedPostgres } from '../platform/database/embedded-postgres.js';
import { refusePendingMigrations } from '../platform/database/migrations.js';
import { prepareDatabase } from '../platform/database/prepare-database.js';
import { neverPrintSettings } from '../platform/logging/secret-settings.js';
import { localTokenKeys } from '../stand-ins/local-token-keys.js';
import { installTaskQueues } from '../tasks/task-queue.js';
import { CommandError } from './command-error.js';
import { CommandLog } from './command-log.js';

/** The services that commands work with. */
export interface CommandContext {
  readonly keys: ApiKeysService;
  readonly verifier: AuditVerifier;
  /** Enters into the audit what is about to be done. */
  readonly record: (action: AdminAction, detail: Record<string, unknown>) => Promise<void>;
}

/** Runs `work` on a database that is there and up to date; fails at once where it is not. */
export async function withContext(work: (context: CommandContext) => Promise<void>): Promise<void> {
  await withSettings(async (settings) => {
    await requireDatabase(settings);
    const app = await NestFactory.createApplicationContext(CliModule.with(settings), {
      logger: new CommandLog(),
      abortOnError: false,
    });
    try {
      const actor = {
        keyId: '',
        service: process.env['USER'] ?? `uid ${process.getuid?.() ?? ''}`,
        via: 'command',
      } as const;
      const actions = app.get(AdminActions, { strict: false });
      await work({
        keys: app.get(ApiKeysService, { strict: false }),
        verifier: app.get(AuditVerifier, { strict: false }),
        record: (action, detail) => actions.record(actor, action, detail),
      });
    } finally {
      await app.close();
    }
  });
}

/** With the embedded server of a local gateway where no other database is named. */
export async function withSettings(work: (settings: Settings) => Promise<void>): Promise<void> {
  // A command needs the database alone, so it does not ask for the rest of production's settings.
  const given = Settings.load({ ...process.env, ROLES: 'webhooks', WEBHOOK_MODE: 'none' });
  const settings = await withLocalKeys(given);
  neverPrintSettings(settings);
  Logger.overrideLogger(new CommandLog());
  if (settings.DATABASE_URL !== undefined) return work(settings);
  const server = await startEmbeddedPostgres(settings.DATA_DIR);
  try {
    const local = settings.with({ DATABASE_URL: server.url });
    neverPrintSettings(local);
    await prepareDatabase(local, new CommandLog(), installTaskQueues);
    await work(local);
  } finally {
    if (server.startedHere) await server.stop();
  }
}

/** The audit of a local gateway is written with the keys that it made for itself. */
async function withLocalKeys(settings: Settings): Promise<Settings> {
  if (settings.NODE_ENV === 'production' || settings.TOKEN_KEYS !== undefined) return settings;
  await mkdir(settings.DATA_DIR, { recursive: true });
  return settings.with({ TOKEN_KEYS: await localTokenKeys(settings.DATA_DIR) });
}

/** One attempt, unlike the start of a gateway: a person waits for the answer. */
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
