import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKeyStore } from '../../src/access/api-key.store.js';
import { ApiKeysService } from '../../src/access/api-keys.service.js';
import { SessionLookups } from '../../src/console/session/session-lookups.js';
import { SessionStore } from '../../src/console/session/session.store.js';
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

it('accepts a valid key from an address whose guesses are answered with 429', async () => {
  await guesses(15, () => '203.0.113.2');
  expect((await list(gateway.key, '203.0.113.2')).status).toBe(200);
});

it('counts a /64 of IPv6 as one address', async () => {
  const statuses = await guesses(15, (n) => `2001:db8:1:2::${n + 1}`);
  expect(statuses).toContain(429);
});

it('accepts valid keys and existing sessions while many addresses guess', async () => {
  const user = await consoleUser(gateway);
  const created = await gateway.newKey('invoices');
  const statuses = await guesses(200, (n) => `198.51.100.${n}`);
  expect(statuses).toContain(429);
  expect((await list(gateway.key, '198.51.100.1')).status).toBe(200);
  expect((await list(created, '203.0.113.3')).status).toBe(200);
  expect((await user.get('/admin')).status).toBe(200);
  await consoleUser(gateway);
});

it('accepts a key that another process created while many addresses guess', async () => {
  const flood = guesses(100, (n) => `198.51.100.${n}`);
  const key = `rgw_${randomBytes(32).toString('base64url')}`;
  await gateway.pool.query(
    `INSERT INTO api_keys (id, service, scopes, key_hash, prefix, origin)
     VALUES (gen_random_uuid(), 'elsewhere', '{jobs}', sha256($1::bytea), 'rgw_…', 'issued')`,
    [Buffer.from(key)],
  );
  expect((await list(key, '198.51.100.1')).status).toBe(200);
  await flood;
});

it('reads the keys at most three times for 5000 concurrent wrong keys', async () => {
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

const TOKEN = (): string => randomBytes(32).toString('base64url');
const page = (token: string, address: string): Promise<Answer> =>
  send(
    `${gateway.url}/admin/keys`,
    'GET',
    undefined,
    { cookie: `gateway_admin=${token}`, 'x-forwarded-for': address },
    'manual',
  );

it('answers unknown session cookies of one address with 429 after ten', async () => {
  const answers = await Promise.all(
    Array.from({ length: 15 }, () => page(TOKEN(), '203.0.113.20')),
  );
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(5);
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
});

it('accepts a valid session from an address that guesses session cookies', async () => {
  const user = await consoleUser(gateway);
  await Promise.all(Array.from({ length: 15 }, () => page(TOKEN(), '203.0.113.21')));
  const answer = await user.get('/admin', { 'x-forwarded-for': '203.0.113.21' });
  expect(answer.status).toBe(200);
});

it('accepts a valid session that this process does not know while cookies are guessed', async () => {
  const flood = Array.from({ length: 100 }, () => page(TOKEN(), '203.0.113.22'));
  const user = await consoleUser(gateway);
  expect((await user.get('/admin')).status).toBe(200);
  await Promise.all(flood);
});

it('redirects a browser with the cookie of an ended session to the sign-in, also on repetition', async () => {
  const token = TOKEN();
  const first = await page(token, '203.0.113.23');
  expect([303, 429]).toContain(first.status);
  for (let n = 0; n < 20; n++) {
    expect((await page(token, '203.0.113.23')).status).toBe(303);
  }
});

const unknownSessions = (count: number): Promise<unknown> => {
  const lookups = gateway.app.get(SessionLookups, { strict: false });
  return Promise.all(Array.from({ length: count }, () => lookups.find(randomBytes(32))));
};

it('reads the database once for all unknown session cookies that arrive together', async () => {
  const find = vi.spyOn(gateway.app.get(SessionStore, { strict: false }), 'find');
  await unknownSessions(500);
  expect(find).toHaveBeenCalledTimes(1);
  find.mockRestore();
});

it('reads the database at most ten times a second for unknown session cookies', async () => {
  const readAt: number[] = [];
  const find = vi.spyOn(gateway.app.get(SessionStore, { strict: false }), 'find');
  find.mockImplementation(() => {
    readAt.push(performance.now());
    return Promise.resolve([]);
  });
  for (let wave = 0; wave < 4; wave++) await unknownSessions(3);
  find.mockRestore();
  expect(readAt).toHaveLength(4);
  // A timer may be a millisecond early.
  for (const [n, at] of readAt.slice(1).entries())
    expect(at - (readAt[n] ?? 0)).toBeGreaterThan(98);
});

it.each(['', 'x', `${'x'.repeat(43)}y`, '%00', "' OR 1=1 --"])(
  'does not ask the database for the malformed session cookie %j',
  async (token) => {
    const find = vi.spyOn(gateway.app.get(SessionStore, { strict: false }), 'find');
    expect((await page(token, '203.0.113.24')).status).toBe(303);
    expect(find).not.toHaveBeenCalled();
    find.mockRestore();
  },
);
