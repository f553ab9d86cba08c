import { randomBytes, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { examine } from '../../src/doctor/doctor.js';
import type { Finding } from '../../src/doctor/finding.js';
import { DataCipher } from '../../src/platform/crypto/data-cipher.js';
import { Settings } from '../../src/platform/config/settings.js';
import { consoleUser } from '../support/console.js';
import { createEndpoint, type TestEndpoint } from '../support/endpoints.js';
import { AUDIT_KEYS, eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { run, type Finished } from '../support/processes.js';

const newKey = (version: number): string => `${version}:${randomBytes(32).toString('base64')}`;
const KEY = newKey(1);
const SECOND = newKey(2);

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ DATA_KEYS: `${KEY},${SECOND}` });
});
afterAll(() => gateway.close());
afterEach(() => gateway.pool.query('DELETE FROM endpoints'));

/** An endpoint whose secret was stored with these settings. Returns its id. */
async function storeSecret(environment: Record<string, string>): Promise<string> {
  const id = randomUUID();
  const cipher = new DataCipher(Settings.load(environment));
  const secret = cipher.encrypt('whsec_planted', `endpoints/${id}`);
  await gateway.pool.query(
    `INSERT INTO endpoints (id, service, url, secret) VALUES ($1, 'invoices', 'https://a.example.com/', $2)`,
    [id, secret],
  );
  return id;
}

/** What the doctor reports about the keys of stored secrets. */
async function findings(dataKeys: string): Promise<string[]> {
  return (await findingsOf(dataKeys)).map(({ status, message }) => `${status}: ${message}`);
}

async function findingsOf(dataKeys: string): Promise<Finding[]> {
  const { DATABASE_URL: url = '' } = gateway.settings;
  const read = Settings.read({ DATABASE_URL: url, DATA_KEYS: dataKeys, WEBHOOK_MODE: 'none' });
  const found = await examine({ ...read, timeoutMilliseconds: 2000 });
  return found.filter(({ check }) => check === 'data keys');
}

describe('the doctor', () => {
  test('says that a key which encrypts nothing is not in use', async () => {
    await storeSecret({ DATA_KEYS: KEY });
    expect(await findings(`${KEY},${SECOND}`)).toEqual([
      'ok: key 1 encrypts all secrets of endpoints; key 2 is not in use',
    ]);
  });

  test('says that an older key cannot be removed yet', async () => {
    await storeSecret({ DATA_KEYS: KEY });
    expect(await findings(`${SECOND},${KEY}`)).toEqual([
      expect.stringMatching(/^warn: key 1 still encrypts .* \(1\): it cannot be removed$/),
    ]);
  });

  test('reports a key that DATA_KEYS lacks', async () => {
    await storeSecret({ DATA_KEYS: KEY });
    expect(await findings(newKey(2))).toEqual([
      expect.stringMatching(
        /^fail: DATA_KEYS lacks key 1, which encrypted secrets or headers of endpoints \(1\)/,
      ),
    ]);
  });

  test('names the missing key to add, whether it is newer or older', async () => {
    await storeSecret({ DATA_KEYS: SECOND });
    const [finding] = await findingsOf(KEY);
    expect(finding?.fix).toMatch(/^add key 2 to DATA_KEYS again, or /);
  });

  test('warns of secrets in plain text without DATA_KEYS', async () => {
    await storeSecret({});
    expect(await findingsOf('')).toEqual([
      {
        check: 'data keys',
        status: 'warn',
        message: 'secrets or headers of endpoints (1) are in plain text',
        fix: 'set DATA_KEYS, then run: gateway rekey; see docs/operations.md#rotate-data_keys',
      },
    ]);
  });

  test('says nothing about keys without DATA_KEYS and endpoints', async () => {
    expect(await findingsOf('')).toEqual([]);
  });

  test('warns of a secret that is older than DATA_KEYS', async () => {
    await storeSecret({});
    expect(await findings(KEY)).toEqual([expect.stringMatching(/^warn: .*plain text/)]);
  });
});

/** Runs the command `rekey` with these keys. */
const rekey = (dataKeys: string): Promise<Finished> =>
  run(['dist/src/cli.js', 'rekey'], {
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    AUDIT_KEYS,
    NODE_ENV: 'production',
    ...(dataKeys === '' ? {} : { DATA_KEYS: dataKeys }),
  });

/** The beginning of each stored value: in plain text, or with its key. */
async function keysOf(endpointId: string): Promise<string[]> {
  const { rows } = await gateway.pool.query(
    `SELECT substring(value FROM '^(plain|aes256gcm:\\d+):') AS key
       FROM endpoints, unnest(ARRAY[secret, previous_secret, headers]) AS value
      WHERE id = $1 AND value IS NOT NULL`,
    [endpointId],
  );
  return rows.map(({ key }) => key);
}

describe('the command rekey', () => {
  test('encrypts secret, previous secret, and headers with the first key, and events still arrive', async () => {
    const endpoint = await createEndpoint(gateway, undefined, { headers: { 'x-key': 'planted' } });
    const { body } = await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/rotate-secret`, {});
    expect(await keysOf(endpoint.id)).toEqual(['aes256gcm:1', 'aes256gcm:1', 'aes256gcm:1']);
    expect(await rekey(`${SECOND},${KEY}`)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^Encrypted \d+ values .* with key 2\.\nEverything is stored under key 2/,
      ),
    });
    expect(await keysOf(endpoint.id)).toEqual(['aes256gcm:2', 'aes256gcm:2', 'aes256gcm:2']);
    await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/test`);
    const [request] = await endpoint.requests(1);
    expect(request?.headers['x-key']).toBe('planted');
    for (const secret of [body.secret, endpoint.secret]) {
      expect(() =>
        new Webhook(secret).verify(request?.body ?? '', request?.headers ?? {}),
      ).not.toThrow();
    }
    expect(await findings(`${SECOND},${KEY}`)).toEqual([
      'ok: key 2 encrypts all secrets of endpoints; key 1 is not in use',
    ]);
  });

  test('encrypts what is in plain text', async () => {
    const id = await storeSecret({});
    expect((await rekey(`${SECOND},${KEY}`)).code).toBe(0);
    expect(await keysOf(id)).toEqual(['aes256gcm:2']);
  });

  test('names no key to remove if there is only one', async () => {
    const { stdout } = await rekey(SECOND);
    expect(stdout).toMatch(/Everything is stored under key 2\.$/m);
  });

  test('removes a previous secret that is no longer valid', async () => {
    const id = await storeSecret({ DATA_KEYS: SECOND });
    await gateway.pool.query(
      `UPDATE endpoints SET previous_secret = 'aes256gcm:1:x', previous_secret_until = now() WHERE id = $1`,
      [id],
    );
    expect((await rekey(`${SECOND},${KEY}`)).code).toBe(0);
    expect(await keysOf(id)).toEqual(['aes256gcm:2']);
  });

  test('leaves what it cannot read, encrypts the rest, and names the missing key', async () => {
    const readable = await storeSecret({ DATA_KEYS: KEY });
    const unreadable = await storeSecret({ DATA_KEYS: newKey(7) });
    const { code, stderr } = await rekey(`${SECOND},${KEY}`);
    expect(code).toBe(1);
    expect(stderr).toContain('1 values could not be read');
    expect(stderr).toContain(`DATA_KEYS lacks key 7, which encrypted a value of endpoints/`);
    expect(await keysOf(readable)).toEqual(['aes256gcm:2']);
    expect(await keysOf(unreadable)).toEqual(['aes256gcm:7']);
  });

  test('is shown as incomplete if it left values unreadable', async () => {
    await storeSecret({ DATA_KEYS: newKey(7) });
    expect((await rekey(`${SECOND},${KEY}`)).code).toBe(1);
    const user = await consoleUser(gateway);
    const { body } = await user.get('/admin/actions?action=data_keys.rekey');
    const row = String(body).split('<tbody')[1]?.split('<tr')[1] ?? '';
    expect(row).toMatch(/tag warn.*incomplete.*1 unreadable/s);
    expect(row).not.toContain('tag good');
  });

  test('changes nothing while a running worker lacks the new key', async () => {
    const id = await storeSecret({ DATA_KEYS: KEY });
    const { code, stderr } = await rekey(`${newKey(3)},${SECOND},${KEY}`);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('1 running workers do not have key 3'),
    ]);
    expect(await keysOf(id)).toEqual(['aes256gcm:1']);
  });

  test('needs DATA_KEYS', async () => {
    expect(await rekey('')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('DATA_KEYS is not set'),
    });
  });

  test('is recorded as an action', async () => {
    await rekey(`${SECOND},${KEY}`);
    const { rows } = await gateway.pool.query(
      `SELECT data->>'state' AS state FROM audit_entries
        WHERE kind = 'action' AND data->>'action' = 'data_keys.rekey' ORDER BY id DESC LIMIT 2`,
    );
    expect(rows).toEqual([{ state: 'done' }, { state: 'started' }]);
  });
});

test('no other column holds values that DATA_KEYS encrypts', async () => {
  const endpoint = await createEndpoint(gateway, undefined, { headers: { 'x-key': 'planted' } });
  await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/rotate-secret`, {});
  const { rows: columns } = await gateway.pool.query(
    `SELECT table_name AS table, column_name AS column FROM information_schema.columns
      WHERE table_schema = current_schema() AND data_type IN ('text', 'json', 'jsonb', 'bytea')`,
  );
  const found: string[] = [];
  for (const { table, column } of columns) {
    const { rows } = await gateway.pool.query(
      `SELECT FROM ${table} WHERE strpos(${column}::text, 'aes256gcm:') > 0 LIMIT 1`,
    );
    if (rows.length > 0) found.push(`${table}.${column}`);
  }
  expect(found.toSorted()).toEqual([
    'endpoints.headers',
    'endpoints.previous_secret',
    'endpoints.secret',
  ]);
});

test('a worker that lacks a key in use says so when it starts', async () => {
  await storeSecret({ DATA_KEYS: newKey(7) });
  const other = await startGateway({
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    DATA_KEYS: KEY,
  });
  await other.close();
  expect(other.logs.join('')).toContain('DATA_KEYS lacks key 7');
});

test('the database holds neither the secret nor the headers of an endpoint in plain text', async () => {
  const endpoint = await createEndpoint(gateway, undefined, { headers: { 'x-key': 'planted' } });
  const { rows } = await gateway.pool.query('SELECT * FROM endpoints WHERE id = $1', [endpoint.id]);
  const stored = JSON.stringify(rows);
  expect(stored).toContain('aes256gcm:1:');
  expect(stored).not.toContain('planted');
  expect(stored).not.toContain(endpoint.secret.slice(6));
});

describe('an endpoint whose key is missing', () => {
  async function createUnreadable(): Promise<TestEndpoint> {
    const endpoint = await createEndpoint(gateway, undefined, { headers: { 'x-key': 'planted' } });
    const cipher = new DataCipher(Settings.load({ DATA_KEYS: newKey(9) }));
    const [secret, headers] = ['whsec_x', '{"x-key":"planted"}'].map((text) =>
      cipher.encrypt(text, `endpoints/${endpoint.id}`),
    );
    await gateway.pool.query('UPDATE endpoints SET secret = $2, headers = $3 WHERE id = $1', [
      endpoint.id,
      secret,
      headers,
    ]);
    return endpoint;
  }

  test('gets no events, and its attempts say why', async () => {
    const endpoint = await createUnreadable();
    const test = await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/test`);
    const attempt = await eventually('an attempt', async () => {
      const { body } = await endpoint.call('GET', `/v1/events/${test.body.eventId}/attempts`);
      return body.attempts[0];
    });
    expect(attempt.error).toMatch(/^secret_unreadable: .*DATA_KEYS/);
    expect(endpoint.receiver.connections()).toBe(0);
  });

  test('can be read', async () => {
    const endpoint = await createUnreadable();
    const { status, body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
    expect([status, body.headerNames]).toEqual([200, []]);
  });

  test('loses the unreadable secret when its service rotates it', async () => {
    const endpoint = await createUnreadable();
    const path = `/v1/endpoints/${endpoint.id}`;
    const { body } = await endpoint.call('POST', `${path}/rotate-secret`, {});
    expect(body.previousSecretUntil).toBeNull();
    await endpoint.call('PATCH', path, { headers: null });
    expect(await findings(`${KEY},${SECOND}`)).toEqual([expect.stringMatching(/^ok: /)]);
  });

  test('gets events again with a new secret and new headers', async () => {
    const endpoint = await createUnreadable();
    const path = `/v1/endpoints/${endpoint.id}`;
    const { body } = await endpoint.call('POST', `${path}/rotate-secret`, {});
    await endpoint.call('PATCH', path, { headers: { 'x-key': 'new' } });
    await endpoint.call('POST', `${path}/test`);
    const [request] = await endpoint.requests(1);
    expect(request?.headers['x-key']).toBe('new');
    expect(() =>
      new Webhook(body.secret).verify(request?.body ?? '', request?.headers ?? {}),
    ).not.toThrow();
  });
});
