import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { GATEWAY_TABLES } from '../../src/doctor/schema-check.js';
import { examine } from '../../src/doctor/doctor.js';
import type { Finding } from '../../src/doctor/finding.js';
import { asJson, asText } from '../../src/doctor/report.js';
import { Settings } from '../../src/platform/config/settings.js';
import { PROBE_HEADER } from '../../src/webhooks/callback-probe.js';
import { freePort } from '../../src/dev/free-port.js';
import { AUDIT_KEYS, newDatabase, startGateway, type TestGateway } from '../support/gateway.js';
import { selfSigned, withoutOpenssl } from '../support/tls-certificate.js';
import { newProxiedDatabase } from '../support/proxied-gateway.js';

let gateway: TestGateway;
let tokenKeys: string;
let environment: Record<string, string>;

beforeAll(async () => {
  tokenKeys = `1:${randomBytes(32).toString('base64')}`;
  gateway = await startGateway({ TOKEN_KEYS: tokenKeys, WEBHOOK_IP_ALLOWLIST: '127.0.0.1' });
  environment = {
    NODE_ENV: 'production',
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    REDUCTO_API_KEY: gateway.sandbox.apiKey,
    REDUCTO_BASE_URL: gateway.sandbox.url,
    PUBLIC_URL: gateway.url,
    PUBLIC_API_URL: gateway.url,
    TOKEN_KEYS: tokenKeys,
    AUDIT_KEYS,
    DATA_KEYS: `1:${randomBytes(32).toString('base64')}`,
    WEBHOOK_IP_ALLOWLIST: '127.0.0.1',
  };
});
afterAll(() => gateway.close());

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUps.splice(0).toReversed()) await undo();
});

async function doctor(changes: Record<string, string> = {}): Promise<Finding[]> {
  const read = Settings.read({ ...environment, ...changes });
  return examine({ ...read, timeoutMilliseconds: 2000 });
}

async function finding(check: string, changes: Record<string, string> = {}): Promise<string> {
  const found = (await doctor(changes)).filter((one) => one.check === check);
  return found.map(({ status, message, fix }) => `${status}: ${message} → ${fix}`).join('\n');
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const answering = async (answer: RequestListener): Promise<string> =>
  `http://127.0.0.1:${await listening(createHttpServer(answer))}`;

/** Accepts connections and says nothing. */
const silent = (): Promise<number> =>
  listening(createTcpServer((socket) => socket.on('error', () => undefined)));

describe('the doctor of a working gateway', () => {
  it('reports only that the test server is not durable and PUBLIC_URL is http', async () => {
    const found = await doctor();
    const problems = found
      .filter(({ status }) => status !== 'ok')
      .map(({ check, message }) => [check, message]);
    expect(problems).toEqual([
      ['settings', expect.stringContaining('PUBLIC_URL is http')],
      ['durability', expect.stringContaining('fsync is off')],
    ]);
    expect(found.map(({ check }) => check).join(', ')).toBe(
      'settings, database, durability, migrations, data keys, privileges, connections, database clock, reducto, reducto clock, callback address',
    );
  });

  it('gives each check a name of its own', async () => {
    const names = (await doctor()).map(({ check }) => check);
    expect(names).toEqual([...new Set(names)]);
  });

  it('changes nothing: creates no job, refusal, or callback', async () => {
    const jobs = gateway.sandbox.jobs.all().length;
    expect(await finding('callback address')).toMatch(
      /^ok: .* leads to this gateway; the request came from 127\.0\.0\.1/,
    );
    await gateway.app.get(AuditWriter, { strict: false }).flushAudit();
    for (const table of ['jobs', 'callbacks', 'audit_entries', 'alerts']) {
      const { rows } = await gateway.pool.query(`SELECT count(*)::int AS n FROM ${table}`);
      expect([table, rows[0].n]).toEqual([table, 0]);
    }
    expect(gateway.sandbox.jobs.all()).toHaveLength(jobs);
  });

  it('checks the privileges of all tables', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'`,
    );
    expect(new Set(GATEWAY_TABLES)).toEqual(new Set(rows.map(({ tablename }) => tablename)));
  });
});

it('refuses and records a probe with an invalid signature like any callback', async () => {
  const response = await fetch(`${gateway.url}/webhooks/reducto`, {
    method: 'POST',
    headers: {
      [PROBE_HEADER]: `${'a'.repeat(24)}.${'b'.repeat(43)}`,
      'content-type': 'application/json',
    },
    body: '{"status":"Doctor","job_id":"x"}',
  });
  expect([response.status, response.headers.get(PROBE_HEADER)]).toEqual([401, null]);
  await gateway.app.get(AuditWriter, { strict: false }).flushAudit();
  const { rows } = await gateway.pool.query('SELECT cause FROM audit_entries');
  expect(rows).toEqual([{ cause: 'token_missing' }]);
});

describe('settings', () => {
  it('reports all invalid settings and still runs the other checks', async () => {
    const found = await doctor({
      PORT: 'x',
      TOKEN_KEYS: '',
      WEBHOOK_IP_ALLOWLIST: '',
      GUARD_SECRET: 'observe',
    });
    const reported = found
      .filter(({ check }) => check === 'settings')
      .map(({ status, message }) => `${status} ${message}`);
    expect(reported).toEqual([
      expect.stringContaining('fail PORT must be a whole number'),
      expect.stringContaining('fail TOKEN_KEYS is missing'),
      expect.stringContaining('warn WEBHOOK_IP_ALLOWLIST is empty'),
      expect.stringContaining('warn GUARD_SECRET is observe'),
      expect.stringContaining('warn PUBLIC_URL is http'),
    ]);
    expect(found.some(({ check, status }) => check === 'reducto' && status === 'ok')).toBe(true);
    const findings = found.filter(({ status }) => status !== 'ok');
    expect(findings.filter(({ fix }) => fix === undefined)).toEqual([]);
  });

  it.each([
    [
      'zeroes',
      { TOKEN_KEYS: `1:${Buffer.alloc(32).toString('base64')}` },
      /fail: key 1 of TOKEN_KEYS is not random/,
    ],
    [
      'typed text',
      { AUDIT_KEYS: `3:${Buffer.from('correct horse battery staple quiz').toString('base64')}` },
      /warn: key 3 of AUDIT_KEYS is text/,
    ],
    [
      'a guessable admin key',
      { BOOTSTRAP_ADMIN_KEY: 'admin'.repeat(8) },
      /fail: BOOTSTRAP_ADMIN_KEY is easy/,
    ],
  ])('reports a weak key: %s', async (_, changes, message) => {
    expect(await finding('keys', changes)).toMatch(message);
  });

  it('accepts random keys', async () => {
    for (let n = 0; n < 200; n++) {
      const key = `1:${randomBytes(32).toString('base64')}`;
      const { settings, problems } = Settings.read({ TOKEN_KEYS: key });
      const { checkSettings } = await import('../../src/doctor/setting-checks.js');
      expect(checkSettings(settings, problems).filter(({ check }) => check === 'keys')).toEqual([]);
    }
  });
});

describe('the database', () => {
  const url = (): string => environment['DATABASE_URL'] ?? '';

  it.each([
    ['is down', () => 'postgres://u:secret-password@127.0.0.1:9/x', /the connection was refused/],
    [
      'has another password',
      () => url().replace(/:[^:@]+@/, ':secret-password@'),
      /refuses the password/,
    ],
    ['does not exist', () => `${url()}_not`, /no database of that name/],
    [
      'has an unknown host name',
      () => 'postgres://u:p@database.invalid/x',
      /DNS does not know its name|DNS did not answer/,
    ],
  ])('reports only the database, without a secret, if it %s', async (_, changed, message) => {
    const found = await doctor({ DATABASE_URL: changed() });
    expect(found.filter(({ status }) => status === 'fail')).toEqual([
      expect.objectContaining({ check: 'database', message: expect.stringMatching(message) }),
    ]);
    expect(asText(found) + asJson(found)).not.toContain('secret-password');
    expect(found.some(({ check, status }) => check === 'callback address' && status === 'ok')).toBe(
      true,
    );
  });

  it('ends the check of a silent database in time', async () => {
    const database = await newProxiedDatabase();
    cleanUps.push(() => database.close());
    database.proxy.set('silent');
    // The doctor gives up after 2 s here; without its own limit, TCP would wait for minutes.
    expect(await finding('database', { DATABASE_URL: database.url })).toMatch(
      /^fail: .*(in time|within|timeout)/,
    );
  });

  it('warns about endpoints that the gateway disabled, and not about others', async () => {
    cleanUps.push(() => gateway.pool.query('DELETE FROM endpoints'));
    const disable = (service: string, reason: string): Promise<unknown> =>
      gateway.pool.query(
        `INSERT INTO endpoints (id, service, url, secret, enabled, disabled_reason, disabled_at)
         VALUES (gen_random_uuid(), $1, 'https://example.com/', '', false, $2, now())`,
        [service, reason],
      );
    for (const reason of ['service', 'admin']) await disable('leases', reason);
    expect(await finding('endpoints')).toBe('');
    for (const reason of ['failing', 'gone']) await disable('invoices', reason);
    expect(await finding('endpoints')).toMatch(
      /^warn: the gateway disabled endpoints of invoices \(2\): .* → see docs\/runbook\.md#endpoint_disabled/,
    );
  });

  it('reports pending migrations, and those of a newer version', async () => {
    const database = await newDatabase();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    cleanUps.push(
      () => database.drop(),
      () => client.end(),
    );
    const migrations = (): Promise<string> => finding('migrations', { DATABASE_URL: database.url });
    expect(await migrations()).toMatch(/^ok/);
    await client.query(`INSERT INTO schema_migrations (timestamp, name) VALUES (9, 'Later9')`);
    expect(await migrations()).toMatch(/^warn: a newer version has migrated the database: Later9/);
    await client.query(`DELETE FROM schema_migrations WHERE name LIKE 'Audit1790200%'`);
    expect(await migrations()).toMatch(
      /^fail: 1 are pending: Audit1790200000000 .*npm run migrate/,
    );
    await client.query('DROP TABLE schema_migrations');
    expect(await migrations()).toMatch(/^fail: the database is empty/);
  });

  it('reports missing privileges and too few connections', async () => {
    const database = await newDatabase();
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const user = `u${randomBytes(4).toString('hex')}`;
    cleanUps.push(
      () => database.drop(),
      () => client.end(),
    );
    await client.query(`CREATE USER ${user} PASSWORD 'long-enough' CONNECTION LIMIT 7`);
    cleanUps.push(() => client.query(`DROP OWNED BY ${user}; DROP USER ${user}`));
    await client.query(
      `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${user};
       GRANT INSERT, UPDATE, DELETE ON jobs TO ${user}`,
    );
    const address = new URL(database.url);
    address.username = user;
    address.password = 'long-enough';
    const changes = { DATABASE_URL: address.href, DATABASE_MIGRATIONS: 'run' };
    const found = await finding('privileges', changes);
    expect(found).toMatch(
      /^fail: the user has no privilege to read and write admin_sessions, .*upstream_rate/,
    );
    expect(found).not.toMatch(/\bjobs\b/);
    expect(found).toMatch(
      /fail: DATABASE_MIGRATIONS is run, but the user has no privilege to create tables/,
    );
    expect(await finding('connections', changes)).toMatch(
      /^fail: .* up to 22 connections; the database allows 7/,
    );
  });

  it('reports a read-only database', async () => {
    const readOnly = `${url()}?options=-c%20default_transaction_read_only%3Don`;
    expect(
      await finding('database', { DATABASE_URL: readOnly, DATABASE_SESSION_LIMITS: 'off' }),
    ).toMatch(/^fail: .* is read-only/);
  });
});

describe('Reducto', () => {
  const at = (base: string): Promise<string> => finding('reducto', { REDUCTO_BASE_URL: base });

  it('reports that Reducto refuses the key', async () => {
    const found = await doctor({ REDUCTO_API_KEY: 'another-secret-key' });
    expect(found.find(({ check }) => check === 'reducto')).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('refuses REDUCTO_API_KEY'),
    });
    expect(asText(found)).not.toContain('another-secret-key');
  });

  it('reports a Reducto that is unreachable, silent, another server, or overloaded', async () => {
    expect(await at(`http://127.0.0.1:${await freePort()}`)).toMatch(
      /^fail: .* cannot be reached: the connection was refused/,
    );
    expect(await at(`http://127.0.0.1:${await silent()}`)).toMatch(
      /^fail: .* no answer (came in time|within)/,
    );
    const page = await answering((_, reply) => reply.end('<html>welcome</html>'));
    expect(await at(page)).toMatch(/^fail: .* without JSON: that is not Reducto/);
    const moved = await answering((_, reply) => reply.writeHead(302, { location: '/x' }).end());
    expect(await at(moved)).toMatch(/^fail: .* answers 302/);
    const busy = await answering((_, reply) => reply.writeHead(503).end());
    expect(await at(busy)).toMatch(/^warn: .* answers 503/);
  });

  it('reports a clock skew to Reducto', async () => {
    const base = await answering((_, reply) => {
      const date = new Date(Date.now() + 400_000).toUTCString();
      reply.writeHead(200, { 'content-type': 'application/json', date }).end('{"jobs":[]}');
    });
    const clock = (name: string) => finding(name, { REDUCTO_BASE_URL: base });
    expect(await clock('reducto clock')).toMatch(
      /warn: the local clock is (399|400) s behind that of Reducto/,
    );
    expect(await clock('database clock')).toMatch(/^ok: the local clock differs/);
  });
});

describe('the callback address', () => {
  const at = (base: string, more: Record<string, string> = {}): Promise<string> =>
    finding('callback address', { PUBLIC_URL: base, ...more });

  it('reports a callback address that leads nowhere, to another server, a redirect, or another gateway', async () => {
    expect(await at(`http://127.0.0.1:${await freePort()}`)).toMatch(
      /^fail: .* cannot be reached: the connection was refused/,
    );
    expect(await at(`http://127.0.0.1:${await silent()}`)).toMatch(
      /^fail: .* no answer (came in time|within)/,
    );
    const page = await answering((_, reply) => reply.writeHead(403).end('<html>no</html>'));
    expect(await at(page)).toMatch(
      /^fail: .* answers 403, and the answer is not from this gateway/,
    );
    const echo = await answering((request, reply) => {
      reply.writeHead(200, { [PROBE_HEADER]: String(request.headers[PROBE_HEADER]) }).end('{}');
    });
    expect(await at(echo)).toMatch(
      /^fail: .* answers 200, and the answer is not from this gateway/,
    );
    const moved = await answering((_, reply) =>
      reply.writeHead(301, { location: 'https://x' }).end(),
    );
    expect(await at(moved)).toMatch(/^fail: .* redirect, which callbacks do not follow/);
    const keys = { TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}` };
    expect(await at(gateway.url, keys)).toMatch(/^fail: .* a gateway that has other TOKEN_KEYS/);
  });

  it('reports a callback address that leads to a process without the role webhooks', async () => {
    const other = await startGateway({ ROLES: 'api', TOKEN_KEYS: tokenKeys });
    cleanUps.push(() => other.close());
    expect(await at(other.url)).toMatch(/^fail: .* a gateway without the role webhooks/);
  });

  it('warns about a private callback address if Reducto is on the internet', async () => {
    const changes = { REDUCTO_BASE_URL: 'https://platform.reducto.invalid' };
    expect(await finding('public address', { PUBLIC_URL: gateway.url, ...changes })).toMatch(
      /^warn: PUBLIC_URL leads to 127\.0\.0\.1, which is not reachable/,
    );
  });

  it('is not checked with WEBHOOK_MODE=none, or in a process that only receives callbacks', async () => {
    expect(await at('', { WEBHOOK_MODE: 'none' })).toMatch(/^ok/);
    expect(await at('', { ROLES: 'webhooks' })).toBe('');
  });
});

describe.skipIf(withoutOpenssl())('the certificate of PUBLIC_URL', () => {
  const certified = async (days: number, name: string): Promise<{ url: string; ca: string }> => {
    const { key, cert, file, remove } = selfSigned(`DNS:${name}`, days);
    cleanUps.push(remove);
    const port = await listening(createTlsServer({ key, cert }, (_, reply) => reply.end()));
    return { url: `https://localhost:${port}`, ca: file };
  };

  /** In a process of its own, because Node reads NODE_EXTRA_CA_CERTS at startup. */
  const asProcess = (changes: Record<string, string>): Promise<Finding[]> =>
    new Promise((resolve, reject) => {
      const env = { PATH: process.env['PATH'], ...environment, ...changes };
      execFile(
        process.execPath,
        ['dist/src/cli.js', 'doctor', '--json'],
        { env },
        (error, text) => {
          // The test server is not durable, so the doctor always reports an error.
          if (error?.code !== 1) reject(error ?? new Error('the doctor exited with 0'));
          else resolve(JSON.parse(text).checks);
        },
      );
    });
  const of = (findings: readonly Finding[]): Finding | undefined =>
    findings.find(({ check }) => check === 'certificate');

  it('reports a self-signed certificate', async () => {
    const { url } = await certified(100, 'localhost');
    expect(await finding('certificate', { PUBLIC_URL: url })).toMatch(
      /^fail: .* certificate is self-signed/,
    );
  });

  it('reports how long a certificate is valid, and one for another name', async () => {
    const good = await certified(100, 'localhost');
    const trusted = { PUBLIC_URL: good.url, NODE_EXTRA_CA_CERTS: good.ca };
    expect(of(await asProcess(trusted))).toMatchObject({
      status: 'ok',
      message: expect.stringMatching(/valid for (99|100) more days/),
    });
    const soon = await certified(5, 'localhost');
    expect(
      of(await asProcess({ PUBLIC_URL: soon.url, NODE_EXTRA_CA_CERTS: soon.ca })),
    ).toMatchObject({
      status: 'warn',
    });
    const other = await certified(100, 'elsewhere.example');
    expect(
      of(await asProcess({ PUBLIC_URL: other.url, NODE_EXTRA_CA_CERTS: other.ca })),
    ).toMatchObject({
      status: 'fail',
      message: expect.stringContaining('for another name'),
    });
  });
});
