import { MIGRATIONS } from '../../migrations/index.js';
import { AuditKeys } from '../audit/audit-keys.js';
import type { Settings } from '../platform/config/settings.js';
import { connectionLimits } from '../platform/database/connection-limits.js';
import { isRefusedOption } from '../platform/database/database-errors.js';
import { MIN_VERSION, sharesSessions } from '../platform/database/database-requirements.js';
import { WatchedClient } from '../platform/database/watched-client.js';
import { checkSkew, skewSeconds } from './clock.js';
import { fail, ok, warn, type Finding } from './finding.js';
import { reasonOf } from './reasons.js';

const CHECK = 'database';
/** The version that the gateway is tested with. */
const TESTED_VERSION = 18;
const SKEW_SECONDS = 5;

/** The gateway's tables. A test compares them with the migrations. */
export const GATEWAY_TABLES = [
  'admin_sessions',
  'alerts',
  'api_keys',
  'audit_chain',
  'audit_entries',
  'audit_originals',
  'callback_inbox',
  'callbacks',
  'discarded_contents',
  'installation',
  'job_events',
  'job_results',
  'jobs',
  'result_chunks',
  'retention_lease',
  'upload_leases',
  'uploads',
  'upstream_rate',
  'workers',
];

/** Checks that the database is reachable and set up as the gateway needs it. Only reads. */
export async function checkDatabase(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  const { DATABASE_URL: url } = settings;
  if (url === undefined) {
    if (settings.NODE_ENV === 'production') return [];
    return [ok(CHECK, 'DATABASE_URL is not set: the first start creates an embedded database')];
  }
  const client = new WatchedClient({ connectionString: url, ...connectionLimits(settings) });
  client.on('error', () => undefined);
  signal.addEventListener('abort', client.giveUp);
  const { host } = new URL(url);
  try {
    await client.connect();
    return [
      ...(await checkSessions(client, settings, host)),
      ...(await examine(client, settings, host)),
    ];
  } catch (error) {
    if (isRefusedOption(error)) {
      const message = `${host} refuses the time limits that the gateway sends with each connection`;
      return [fail(CHECK, message, 'behind a pooler, set DATABASE_SESSION_LIMITS=off')];
    }
    const message = `${host} cannot be used: ${reasonOf(error)}`;
    return [
      fail(
        CHECK,
        message,
        'check DATABASE_URL, and that the server runs; the tables were not checked',
      ),
    ];
  } finally {
    signal.removeEventListener('abort', client.giveUp);
    await client.end().catch(() => undefined);
  }
}

/** A pooler in transaction mode shares the server's sessions among connections. */
async function checkSessions(
  client: WatchedClient,
  settings: Settings,
  host: string,
): Promise<Finding[]> {
  const { DATABASE_URL: connectionString } = settings;
  const second = new WatchedClient({ connectionString, ...connectionLimits(settings) });
  second.on('error', () => undefined);
  try {
    await second.connect();
    const isShared = await sharesSessions(
      (statement) => ask(client, statement),
      (statement) => ask(second, statement),
    );
    if (!isShared) return [];
    const message = `${host} is behind a connection pooler in transaction mode`;
    return [
      fail('sessions', message, 'switch it to session mode, or connect to PostgreSQL directly'),
    ];
  } finally {
    await second.end().catch(() => undefined);
  }
}

async function examine(
  client: WatchedClient,
  settings: Settings,
  host: string,
): Promise<Finding[]> {
  const startedAt = Date.now();
  const [facts] = await ask<Facts>(client, FACTS);
  const endedAt = Date.now();
  if (facts === undefined) throw new Error('it does not report its configuration');
  const skew = skewSeconds(facts.now, startedAt, endedAt);
  const migrations = await checkMigrations(client);
  return [
    checkVersion(facts, host),
    ...checkDurability(facts),
    migrations,
    // Without its tables there is no audit yet.
    ...(migrations.status === 'fail' ? [] : await checkAuditKeys(client, settings)),
    ...(await checkPrivileges(client, settings)),
    checkConnections(facts, settings),
    checkSkew('database clock', 'the database', skew, SKEW_SECONDS),
  ];
}

interface Facts {
  readonly version: number;
  readonly now: Date;
  readonly encoding: string;
  readonly readOnly: boolean;
  readonly fsync: string;
  readonly commit: string;
  readonly pageWrites: string;
  readonly size: string;
  readonly limit: number;
  readonly used: number;
}

const FACTS = `
  SELECT current_setting('server_version_num')::int / 10000 AS version,
         clock_timestamp() AS now,
         current_setting('server_encoding') AS encoding,
         pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "readOnly",
         current_setting('fsync') AS fsync,
         current_setting('synchronous_commit') AS commit,
         current_setting('full_page_writes') AS "pageWrites",
         pg_size_pretty(pg_database_size(current_database())) AS size,
         least(current_setting('max_connections')::int
                 - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true), '0')::int,
               (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
               (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)) AS limit,
         (SELECT count(*)::int FROM pg_stat_activity WHERE usename IS NOT NULL) AS used`;

function checkVersion({ version, size, encoding, readOnly }: Facts, host: string): Finding {
  const what = `PostgreSQL ${version} at ${host}`;
  if (readOnly) {
    return fail(CHECK, `${what} is read-only`, 'set DATABASE_URL to the primary server');
  }
  if (encoding !== 'UTF8') {
    return fail(
      CHECK,
      `${what} stores text as ${encoding}`,
      'create the database with ENCODING UTF8',
    );
  }
  if (version < MIN_VERSION) {
    return fail(CHECK, `${what} is too old`, `upgrade it to ${TESTED_VERSION}`);
  }
  if (version < TESTED_VERSION) {
    return warn(CHECK, `${what} answers; the gateway is tested with ${TESTED_VERSION}`);
  }
  return ok(CHECK, `${what} answers, ${size}`);
}

/** The gateway's 202 and 200 promise durability, which these server settings can break. */
function checkDurability({ fsync, commit, pageWrites }: Facts): Finding[] {
  const off = Object.entries({ fsync, synchronous_commit: commit, full_page_writes: pageWrites })
    .filter(([, value]) => value === 'off')
    .map(([name]) => name);
  if (off.length === 0)
    return [ok('durability', 'committed data survives a crash of the database')];
  const message = `${off.join(', ')} is off: a crash of the database loses jobs that were accepted`;
  return [fail('durability', message, `set ${off.map((name) => `${name} = on`).join(', ')}`)];
}

async function checkMigrations(client: WatchedClient): Promise<Finding> {
  const migrate = 'run: npm run migrate';
  const [there] = await ask<{ migrations: boolean }>(
    client,
    `SELECT to_regclass('schema_migrations') IS NOT NULL AS migrations`,
  );
  if (there?.migrations !== true) return fail('migrations', 'the database is empty', migrate);
  const rows = await ask<{ name: string }>(client, 'SELECT name FROM schema_migrations');
  const done = new Set(rows.map(({ name }) => name));
  const known = MIGRATIONS.map(({ name }) => name);
  const pending = known.filter((name) => !done.has(name));
  if (pending.length > 0) {
    return fail('migrations', `${pending.length} are pending: ${pending.join(', ')}`, migrate);
  }
  const newer = [...done].filter((name) => !known.includes(name));
  if (newer.length > 0) {
    const message = `a newer version has migrated the database: ${newer.join(', ')}`;
    return warn('migrations', message, 'upgrade this gateway to that version');
  }
  return ok('migrations', 'none is pending');
}

/** Warns about keys that signed audit entries and are missing in `AUDIT_KEYS`. */
async function checkAuditKeys(client: WatchedClient, settings: Settings): Promise<Finding[]> {
  const written = await ask<{ id: string }>(
    client,
    `SELECT key_id AS id FROM audit_chain
     UNION SELECT jsonb_object_keys(keys) FROM audit_chain ORDER BY id`,
  );
  const keys = new AuditKeys(settings);
  const missing = written.filter(({ id }) => keys.find(id) === undefined).map(({ id }) => id);
  if (missing.length === 0) return [];
  const message = `AUDIT_KEYS lacks ${missing.join(', ')}, which signed audit entries: the whole audit cannot be verified`;
  return [
    warn('audit keys', message, 'add the old key again after the new one; see docs/audit.md'),
  ];
}

async function checkPrivileges(client: WatchedClient, settings: Settings): Promise<Finding[]> {
  const found: Finding[] = [];
  const grant = 'connect as the user that ran the migrations, or GRANT the missing privileges';
  const lacking = await ask<{ name: string }>(
    client,
    `SELECT relname AS name FROM pg_class
      WHERE relkind = 'r'
        AND relnamespace = current_schema()::regnamespace AND relname = ANY ($1)
        AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                 AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
      ORDER BY relname`,
    [GATEWAY_TABLES],
  );
  if (lacking.length > 0) {
    const names = lacking.map(({ name }) => name).join(', ');
    found.push(fail('privileges', `the user has no privilege to read and write ${names}`, grant));
  }
  if (settings.DATABASE_MIGRATIONS === 'run') {
    const [may] = await ask<{ create: boolean }>(
      client,
      `SELECT has_schema_privilege(current_schema(), 'CREATE')
              AND has_database_privilege(current_database(), 'CREATE') AS create`,
    );
    if (may?.create !== true) {
      const message = 'DATABASE_MIGRATIONS is run, but the user has no privilege to create tables';
      found.push(fail('privileges', message, grant));
    }
  }
  return found.length > 0
    ? found
    : [ok('privileges', 'the user has all privileges that the gateway needs')];
}

/** Connections outside the pool: those of the task queue, and those that listen (two in a worker, else one). */
const TASK_CONNECTIONS = { worker: 8, other: 3 };

function checkConnections({ limit, used }: Facts, settings: Settings): Finding {
  const tasks = settings.has('worker') ? TASK_CONNECTIONS.worker : TASK_CONNECTIONS.other;
  const max = settings.DATABASE_POOL_SIZE + tasks;
  const message = `a gateway opens up to ${max} connections; the database allows ${limit} (${used} are open)`;
  const fix = 'raise max_connections, or lower DATABASE_POOL_SIZE';
  if (max > limit) return fail('connections', message, fix);
  if (2 * max > limit) return warn('connections', `${message}: not enough for two gateways`, fix);
  return ok('connections', message);
}

async function ask<Row extends object>(
  client: WatchedClient,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return (await client.query<Row>(sql, values)).rows;
}
