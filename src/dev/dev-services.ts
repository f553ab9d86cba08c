import { mkdir } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { INestApplication, LoggerService } from '@nestjs/common';
import { ApiKeysService } from '../access/api-keys.service.js';
import { AdminKeys } from '../admin/admin-keys.js';
import { httpUrl } from '../platform/config/setting-kinds.js';
import type { SettingValues } from '../platform/config/setting-table.js';
import type { Settings } from '../platform/config/settings.js';
import { localUser } from '../platform/local-user.js';
import { startEmbeddedPostgres, type EmbeddedServer } from './embedded-postgres.js';
import { freePort } from './free-port.js';
import { withLocalKeys } from './local-keys.js';
import { startSandboxProcess, type SandboxProcess } from './sandbox-process.js';

/** Replacements for missing infrastructure, so that `npm start` works on a bare machine; not part of the image. */
export interface DevServices {
  readonly settings: Settings;
  /** Prints, once per database, an API key and what to do with it. */
  introduce(app: INestApplication, url: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startDevServices(
  settings: Settings,
  log: LoggerService,
): Promise<DevServices> {
  const values: Mutable<Partial<SettingValues>> = {};
  let database: EmbeddedServer | undefined;
  let sandbox: SandboxProcess | undefined;
  await mkdir(settings.DATA_DIR, { recursive: true });
  if (settings.DATABASE_URL === undefined) {
    log.warn(
      `DATABASE_URL is not set: using an EMBEDDED PostgreSQL, its data kept in ${settings.DATA_DIR}`,
      'DevServices',
    );
    database = await startEmbeddedPostgres(settings.DATA_DIR);
    values.DATABASE_URL = database.url;
  }
  if (settings.REDUCTO_API_KEY === undefined) {
    log.warn(
      'REDUCTO_API_KEY is not set: using the SANDBOX, a simulator of Reducto on this machine',
      'DevServices',
    );
    sandbox = await startSandboxProcess();
    values.REDUCTO_API_KEY = sandbox.apiKey;
    values.REDUCTO_BASE_URL = httpUrl(sandbox.url);
  }
  if (settings.PUBLIC_URL === undefined) {
    // Only a port that is known before the start can be part of it.
    const port = settings.PORT === 0 ? await freePort() : settings.PORT;
    values.PORT = port;
    values.PUBLIC_URL = httpUrl(`http://${localHost(settings.HOST)}:${port}`);
    if (sandbox === undefined && settings.WEBHOOK_MODE !== 'none') {
      log.warn(
        'PUBLIC_URL is not set: Reducto cannot call back, and every job waits for a poll',
        'DevServices',
      );
    }
  }
  return {
    settings: (await withLocalKeys(settings)).with(values),
    introduce: async (app, url) => {
      if (!settings.has('api')) return;
      const hasKey = database === undefined && settings.BOOTSTRAP_ADMIN_KEY !== undefined;
      if (!hasKey) await printKeyOnce(app, url);
    },
    stop: async () => {
      await sandbox?.stop();
      await database?.stop();
    },
  };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Where the sandbox reaches a gateway that listens on `host`. */
function localHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return isIPv6(host) ? `[${host}]` : host;
}

async function printKeyOnce(app: INestApplication, url: string): Promise<void> {
  const keys = await app.get(ApiKeysService, { strict: false }).list();
  if (keys.some(({ origin }) => origin === 'issued')) {
    process.stdout.write(
      `\nAPI keys exist, and are not shown again. To create another one:\n  ${CREATE_KEY}\n\n`,
    );
    return;
  }
  const actor = { keyId: '', service: localUser(), via: 'command' } as const;
  const { key } = await app
    .get(AdminKeys, { strict: false })
    .create(actor, 'local', ['jobs', 'admin']);
  // Straight to the terminal: log lines never hold a key.
  process.stdout.write(introduction(key, url));
}

const CREATE_KEY =
  'npm run --silent gateway -- keys create --service local --scopes jobs,admin --quiet';

const DOCUMENT = fileURLToPath(
  new URL('../../../src/dev/demo/rental-agreement.pdf', import.meta.url),
);

/** The commands need a POSIX shell and curl, and end with the result of the job. */
function introduction(key: string, url: string): string {
  return `
An API key of the service "local", shown only now; it also signs in to the console:
  ${key}

To parse a document, paste this into another terminal:

  AUTH='Authorization: Bearer ${key}'
  first_id() { grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4; }
  FILE=$(curl -s ${url}/v1/uploads -H "$AUTH" -F ${quoted(`file=@"${DOCUMENT}"`)} | first_id)
  JOB=$(curl -s ${url}/v1/jobs -H "$AUTH" -H 'Content-Type: application/json' \\
    -d '{"type":"parse","input":"'"$FILE"'"}' | first_id)
  curl -s "${url}/v1/jobs/$JOB?wait=60" -H "$AUTH"; echo
  curl -s "${url}/v1/jobs/$JOB/result" -H "$AUTH"; echo

`;
}

/** One word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
