import type { Settings } from '../platform/config/settings.js';
import { connectionLimits } from '../platform/database/connection-limits.js';
import { isRefusedOption } from '../platform/database/database-errors.js';
import { MIN_VERSION, sharesSessions } from '../platform/database/database-requirements.js';
import { WatchedClient } from '../platform/database/watched-client.js';
import { checkSkew, skewSeconds } from './clock.js';
import { fail, ok, warn, type Finding } from './finding.js';
import { ask, checkSchema } from './schema-check.js';
import { reasonOf } from './reasons.js';

const CHECK = 'database';
/** The version that the gateway is tested with. */
const TESTED_VERSION = 18;
const SKEW_SECONDS = 5;

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
  return [
    checkVersion(facts, host),
    ...checkDurability(facts),
    ...(await checkSchema(client, settings)),
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
    const message = `${what} answers; the gateway is tested with ${TESTED_VERSION}`;
    return warn(CHECK, message, `upgrade it to ${TESTED_VERSION}`);
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

/** Outside the pool: the session, and a probe after an outage. */
const OTHER_CONNECTIONS = 2;

function checkConnections({ limit, used }: Facts, settings: Settings): Finding {
  const max = settings.DATABASE_POOL_SIZE + OTHER_CONNECTIONS;
  const message = `a gateway opens up to ${max} connections; the database allows ${limit} (${used} are open)`;
  const fix = 'raise max_connections, or lower DATABASE_POOL_SIZE';
  if (max > limit) return fail('connections', message, fix);
  if (2 * max > limit) return warn('connections', `${message}: not enough for two gateways`, fix);
  return ok('connections', message);
}
