import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKeyStore } from '../../src/access/api-key.store.js';
import { ApiKeysService } from '../../src/access/api-keys.service.js';
import { consoleUser } from '../support/console.js';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ TRUSTED_PROXIES: '127.0.0.1' });
});
afterAll(() => gateway.close());

const guess = (address: string, key = `rgw_${randomBytes(32).toString('base64url')}`) =>
  list(key, address);

const list = (key: string, address: string): Promise<Answer> =>
  send(`${gateway.url}/v1/jobs`, 'GET', undefined, {
    authorization: `Bearer ${key}`,
    'x-forwarded-for': address,
  });

async function guesses(count: number, address: (n: number) => string): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, (_, n) => guess(address(n))));
  return answers.map(({ status }) => status);
}

it('answers wrong keys of one address with 429 after ten, with Retry-After', async () => {
  const statuses = await guesses(15, () => '203.0.113.1');
  expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  const answer = await guess('203.0.113.1');
  expect(answer).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
});

it('takes a right key from an address whose guesses are answered with 429', async () => {
  await guesses(15, () => '203.0.113.2');
  expect((await list(gateway.key, '203.0.113.2')).status).toBe(200);
});

it('counts a /64 of IPv6 as one address', async () => {
  const statuses = await guesses(15, (n) => `2001:db8:1:2::${n + 1}`);
  expect(statuses).toContain(429);
});

it('takes right keys and existing sessions while many addresses guess', async () => {
  const user = await consoleUser(gateway);
  const created = await gateway.newKey('invoices');
  const statuses = await guesses(200, (n) => `198.51.100.${n}`);
  expect(statuses).toContain(429);
  expect((await list(gateway.key, '198.51.100.1')).status).toBe(200);
  expect((await list(created, '203.0.113.3')).status).toBe(200);
  expect((await user.get('/admin')).status).toBe(200);
  await consoleUser(gateway);
});

it('takes a key that another process created while many addresses guess', async () => {
  const flood = guesses(100, (n) => `198.51.100.${n}`);
  const key = `rgw_${randomBytes(32).toString('base64url')}`;
  await gateway.pool.query(
    `INSERT INTO api_keys (id, service, scopes, key_hash, hint, origin)
     VALUES (gen_random_uuid(), 'elsewhere', '{jobs}', sha256($1::bytea), 'rgw_…', 'issued')`,
    [Buffer.from(key)],
  );
  expect((await list(key, '198.51.100.1')).status).toBe(200);
  await flood;
});

it('reads the keys a few times only, however many wrong keys come at once', async () => {
  const store = gateway.app.get(ApiKeyStore, { strict: false });
  const read = vi.spyOn(store, 'listActive');
  const keys = gateway.app.get(ApiKeysService, { strict: false });
  await Promise.allSettled(
    Array.from({ length: 5000 }, (_, n) => keys.authenticate(`guess-${n}`, '203.0.113.9', 'api')),
  );
  expect(read.mock.calls.length).toBeLessThanOrEqual(3);
  read.mockRestore();
});

it('counts failures in a metric', async () => {
  await guess('203.0.113.10');
  const { body } = await send(`${gateway.url}/metrics`, 'GET');
  expect(body).toMatch(/gateway_authentication_failures_total\{surface="api",status="429"\} [1-9]/);
});
