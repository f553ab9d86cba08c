import { randomBytes, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { examine } from '../../src/doctor/doctor.js';
import { DataCipher } from '../../src/platform/crypto/data-cipher.js';
import { Settings } from '../../src/platform/config/settings.js';
import { createEndpoint, type TestEndpoint } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

const newKey = (version: number): string => `${version}:${randomBytes(32).toString('base64')}`;
const KEY = newKey(1);

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ DATA_KEYS: KEY });
});
afterAll(() => gateway.close());

/** An endpoint whose secret was stored with these settings. */
async function storeSecret(environment: Record<string, string>): Promise<void> {
  const id = randomUUID();
  const secret = new DataCipher(Settings.load(environment)).encrypt('whsec_planted', id);
  await gateway.pool.query(
    `INSERT INTO endpoints (id, service, url, secret) VALUES ($1, 'invoices', 'https://a.example.com/', $2)`,
    [id, secret],
  );
  onTestFinished(async () => {
    await gateway.pool.query('DELETE FROM endpoints WHERE id = $1', [id]);
  });
}

/** What the doctor reports about the keys of stored secrets. */
async function findings(dataKeys: string): Promise<string[]> {
  const { DATABASE_URL: url = '' } = gateway.settings;
  const read = Settings.read({ DATABASE_URL: url, DATA_KEYS: dataKeys, WEBHOOK_MODE: 'none' });
  const found = await examine({ ...read, timeoutMilliseconds: 2000 });
  return found
    .filter(({ check }) => check === 'data keys')
    .map(({ status, message }) => `${status}: ${message}`);
}

test('the doctor reports nothing if DATA_KEYS has each key', async () => {
  await storeSecret({ DATA_KEYS: KEY });
  expect(await findings(`${newKey(2)},${KEY}`)).toEqual([]);
});

test('the doctor reports a key that DATA_KEYS lacks', async () => {
  await storeSecret({ DATA_KEYS: KEY });
  expect(await findings(newKey(2))).toEqual([
    expect.stringMatching(
      /^fail: DATA_KEYS lacks key 1, which encrypted secrets of endpoints \(1\)/,
    ),
  ]);
});

test('the doctor warns of a secret that is older than DATA_KEYS', async () => {
  await storeSecret({});
  expect(await findings(KEY)).toEqual([expect.stringMatching(/^warn: .*plain text/)]);
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
