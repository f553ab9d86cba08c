import { MIGRATIONS } from '../../migrations/index.js';
import { AuditKeys } from '../audit/audit-keys.js';
import { KEYS_IN_USE, type KeyInUse } from '../deliveries/data-keys.service.js';
import type { Settings } from '../platform/config/settings.js';
import type { WatchedClient } from '../platform/database/watched-client.js';
import { fail, ok, warn, type Finding } from './finding.js';

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
  'deliveries',
  'delivery_attempts',
  'discarded_contents',
  'endpoints',
  'event_erasures',
  'event_outbox',
  'events',
  'installation',
  'job_calls',
  'job_events',
  'job_files',
  'job_inputs',
  'job_results',
  'jobs',
  'result_chunks',
  'retention_lease',
  'services',
  'upload_leases',
  'uploads',
  'upstream_deletions',
  'upstream_rate',
  'wake_ups',
  'workers',
];

/** Checks the migrations, the keys of the audit and of stored secrets, the endpoints, and the privileges of the user. */
export async function checkSchema(client: WatchedClient, settings: Settings): Promise<Finding[]> {
  const migrations = await checkMigrations(client);
  return [
    migrations,
    // These need their tables.
    ...(migrations.status === 'fail' ? [] : await checkAuditKeys(client, settings)),
    ...(migrations.status === 'fail' ? [] : await checkDataKeys(client, settings)),
    ...(migrations.status === 'fail' ? [] : await checkEndpoints(client)),
    ...(await checkPrivileges(client, settings)),
  ];
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
  return [warn('audit keys', message, 'add them to AUDIT_KEYS again; see docs/audit.md')];
}

/** Reports under which keys of `DATA_KEYS` the values of endpoints are stored, and which keys are not needed. */
async function checkDataKeys(client: WatchedClient, settings: Settings): Promise<Finding[]> {
  const check = 'data keys';
  const stored = await ask<KeyInUse>(client, KEYS_IN_USE);
  const keys = (settings.DATA_KEYS ?? []).map(({ version }) => version);
  const [current, ...others] = keys;
  const missing = stored
    .filter(({ key }) => key !== null && !keys.includes(key))
    .map(({ key, endpoints }) =>
      fail(
        check,
        `DATA_KEYS lacks key ${key}, which encrypted secrets or headers of endpoints (${endpoints}): the gateway cannot send events to them`,
        `add key ${key} to DATA_KEYS again, or rotate the secrets and set the headers of these endpoints again`,
      ),
    );
  const stale = stored.filter(({ key }) => key === null || others.includes(key));
  const set = current === undefined ? 'set DATA_KEYS, then ' : '';
  const rekey = `${set}run: gateway rekey; see docs/operations.md#rotate-data_keys`;
  const warnings = stale.map(({ key, endpoints }) =>
    key === null
      ? warn(check, `secrets or headers of endpoints (${endpoints}) are in plain text`, rekey)
      : warn(
          check,
          `key ${key} still encrypts secrets or headers of endpoints (${endpoints}): it cannot be removed`,
          rekey,
        ),
  );
  if (missing.length + warnings.length > 0) return [...missing, ...warnings];
  if (current === undefined) return [];
  const unused = others.length === 0 ? '' : `; key ${others.join(', ')} is not in use`;
  return [ok(check, `key ${current} encrypts all secrets of endpoints${unused}`)];
}

/** Warns about endpoints that the gateway disabled because their receivers failed. */
async function checkEndpoints(client: WatchedClient): Promise<Finding[]> {
  const disabled = await ask<{ service: string; count: number }>(
    client,
    `SELECT service, count(*)::int AS count FROM endpoints
      WHERE NOT enabled AND disabled_reason IN ('failing', 'gone') GROUP BY service ORDER BY service`,
  );
  if (disabled.length === 0) return [];
  const names = disabled.map(({ service, count }) => `${service} (${count})`).join(', ');
  const message = `the gateway disabled endpoints of ${names}: their receivers failed for too long or answered 410`;
  return [
    warn('endpoints', message, 'see docs/runbook.md#endpoint_disabled; their events are kept'),
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

export async function ask<Row extends object>(
  client: WatchedClient,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return (await client.query<Row>(sql, values)).rows;
}
