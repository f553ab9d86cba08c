import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SCOPES } from './access/api-key.entity.js';
import { ApiKeysService } from './access/api-keys.service.js';
import { isServiceName, SERVICE_NAME_RULE } from './access/service-name.js';
import { AdminActions, type AdminAction } from './admin/admin-actions.js';
import { AuditVerifier } from './audit/audit-verifier.js';
import { CliModule } from './cli.module.js';
import { examine } from './doctor/doctor.js';
import { asJson, asText, isWell } from './doctor/report.js';
import { Settings, SettingsError } from './platform/config/settings.js';
import { startEmbeddedPostgres } from './platform/database/embedded-postgres.js';
import { prepareDatabase } from './platform/database/prepare-database.js';
import { createLogger, NestLogger } from './platform/logging/logger.js';
import { neverPrintSettings } from './platform/logging/secret-settings.js';
import { withKeptParts } from './stand-ins/kept-parts.js';
import { localTokenKeys } from './stand-ins/local-token-keys.js';
import { installTaskQueues } from './tasks/task-queue.js';

/* The gateway's commands. Each prints what it did and ends with status 0, or says what is wrong and ends with 1. */

const USAGE = `Usage: npm run gateway -- <command>

  migrate                                         bring the database up to date
  keys create --service <name> --scopes <list>    create an API key (scopes: ${SCOPES.join(', ')}); it is shown once
  keys list                                       list all API keys
  keys revoke <id>                                revoke an API key
  audit verify                                    verify that nobody has changed the audit
  doctor [--json]                                 check settings, database, Reducto and the way of callbacks
`;

class UsageError extends Error {}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  await run(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof UsageError || error instanceof SettingsError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    `${message}\n${expected && error instanceof UsageError ? `\n${USAGE}` : ''}`,
  );
  process.exitCode = 1;
}

async function run(args: string[]): Promise<void> {
  const { positionals, values } = parse(args);
  const [command, action, id] = positionals;
  if (values.help === true || command === undefined) return say(USAGE);
  if (command === 'migrate') return withSettings(async (settings) => migrate(settings));
  if (command === 'doctor') return doctor(values.json);
  if (command === 'audit' && action === 'verify') return withGateway(verify);
  if (command !== 'keys') throw new UsageError(`There is no command "${positionals.join(' ')}".`);
  switch (action) {
    case 'create':
      return withGateway((gateway) => create(gateway, values.service, values.scopes));
    case 'list':
      return withGateway(list);
    case 'revoke':
      if (id === undefined) throw new UsageError('Which key? Give its id.');
      return withGateway(async ({ keys, record }) => {
        await record('key.revoke', { key: id });
        await keys.revoke(id);
        say(`Revoked ${id}. Running gateways refuse it within 5 seconds.`);
      });
    default:
      throw new UsageError(`There is no command "keys ${action ?? ''}".`);
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        service: { type: 'string' },
        scopes: { type: 'string', default: 'jobs' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(
      error instanceof Error ? error.message : 'These arguments are not understood.',
    );
  }
}

async function create(
  { keys, record }: Gateway,
  service: string | undefined,
  list: string,
): Promise<void> {
  if (service === undefined || !isServiceName(service))
    throw new UsageError(`--service ${SERVICE_NAME_RULE}`);
  const scopes = list.split(',').map((text) => {
    const scope = SCOPES.find((known) => known === text.trim());
    if (scope === undefined)
      throw new UsageError(`There is no scope "${text}". Scopes: ${SCOPES.join(', ')}`);
    return scope;
  });
  await record('key.create', { service, scopes });
  const { stored, key } = await keys.create(service, scopes);
  say(
    `Key ${stored.id} for ${service} (${stored.scopes.join(', ')}). Keep it, it is shown only now:\n${key}`,
  );
}

async function list({ keys }: Gateway): Promise<void> {
  const row = (...cells: string[]): string =>
    [36, 20, 12, 11, 20, 20]
      .map((width, index) => (cells[index] ?? '').padEnd(width))
      .join('  ')
      .trimEnd();
  say(row('id', 'service', 'scopes', 'key', 'last used', 'revoked'));
  for (const key of await keys.list()) {
    const time = (at: Date | null): string =>
      at?.toISOString().slice(0, 16).replace('T', ' ') ?? '-';
    say(
      row(
        key.id,
        key.service,
        key.scopes.join(','),
        key.hint,
        time(key.lastUsedAt),
        time(key.revokedAt),
      ),
    );
  }
}

async function migrate(settings: Settings): Promise<void> {
  const log = new NestLogger(createLogger(settings));
  await prepareDatabase(settings.with({ DATABASE_MIGRATIONS: 'run' }), log, installTaskQueues);
  say('The database is up to date.');
}

/** Does not need usable settings: it says what is wrong with them. Ends with 1 where something has to be mended. */
async function doctor(json: boolean): Promise<void> {
  const { settings, problems } = Settings.read(process.env);
  neverPrintSettings(settings);
  const findings = await withKeptParts(settings, (local, embedded) =>
    examine({ settings: local, problems, embedded }),
  );
  say(json ? asJson(findings) : asText(findings));
  if (!isWell(findings)) process.exitCode = 1;
}

async function verify({ verifier }: Gateway): Promise<void> {
  const { ok, rows, firstBroken, reason } = await verifier.verify();
  if (!ok) throw new Error(`The audit is not whole: entry ${firstBroken}: ${reason}.`);
  say(`The audit is whole: ${rows} entries, none changed, missing or cut off.`);
}

/** What commands work with. */
interface Gateway {
  readonly keys: ApiKeysService;
  readonly verifier: AuditVerifier;
  /** Enters into the audit what is about to be done. */
  readonly record: (action: AdminAction, detail: Record<string, unknown>) => Promise<void>;
}

async function withGateway(work: (gateway: Gateway) => Promise<void>): Promise<void> {
  await withSettings(async (settings) => {
    const app = await NestFactory.createApplicationContext(CliModule.with(settings), {
      logger: ['error'],
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
async function withSettings(work: (settings: Settings) => Promise<void>): Promise<void> {
  // A command needs the database alone, so it does not ask for the rest of production's settings.
  const given = Settings.load({ ...process.env, ROLES: 'webhooks', WEBHOOK_MODE: 'none' });
  const settings = await withLocalKeys(given);
  Logger.overrideLogger(new NestLogger(createLogger(settings.with({ LOG_LEVEL: 'error' }))));
  if (settings.DATABASE_URL !== undefined) return work(settings);
  const server = await startEmbeddedPostgres(settings.DATA_DIR);
  try {
    const local = settings.with({ DATABASE_URL: server.url });
    const log = new NestLogger(createLogger(settings.with({ LOG_LEVEL: 'error' })));
    await prepareDatabase(local, log, installTaskQueues);
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
