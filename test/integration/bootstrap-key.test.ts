import { randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiKeyStore } from '../../src/access/api-key.store.js';
import { ApiKeysService } from '../../src/access/api-keys.service.js';
import { eventually, newDatabase, startGateway, type TestGateway } from '../support/gateway.js';

const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

const newKey = (): string => randomBytes(24).toString('hex');

async function newShared(): Promise<{ start(key?: string, roles?: string): Promise<TestGateway> }> {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  return {
    start: async (key, roles = 'api') => {
      const gateway = await startGateway({
        DATABASE_URL: database.url,
        ROLES: roles,
        ...(key === undefined ? {} : { BOOTSTRAP_ADMIN_KEY: key }),
      });
      cleanUps.push(() => gateway.close());
      return gateway;
    },
  };
}

async function statusOf(gateway: TestGateway, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  return (await gateway.call('GET', '/v1/admin/keys', undefined, headers)).status;
}

/** The process may still hold the key as known: at most 5 s. */
const refuses = (gateway: TestGateway, key: string): Promise<true> =>
  eventually('the key is refused', async () =>
    (await statusOf(gateway, key)) === 401 ? true : undefined,
  );

async function revoke(gateway: TestGateway, key: string): Promise<void> {
  const keys = gateway.app.get(ApiKeysService, { strict: false });
  const caller = await keys.authenticate(key, '127.0.0.1', 'api');
  await keys.revoke(caller.keyId);
}

describe('a bootstrap key', () => {
  it('stays valid where another process starts without one', async () => {
    const shared = await newShared();
    const key = newKey();
    const gateway = await shared.start(key);
    const other = await shared.start();
    expect(await statusOf(other, key)).toBe(200);
    expect(await statusOf(gateway, key)).toBe(200);
  });

  it('is revoked where a process starts with another one', async () => {
    const shared = await newShared();
    const [x, y] = [newKey(), newKey()];
    const first = await shared.start(x);
    expect(await statusOf(first, x)).toBe(200);
    const second = await shared.start(y);
    expect(await statusOf(second, x)).toBe(401);
    expect(await statusOf(second, y)).toBe(200);
    await refuses(first, x);
  });

  it('works again where it is put back', async () => {
    const shared = await newShared();
    const [x, y] = [newKey(), newKey()];
    await shared.start(x);
    await shared.start(y);
    const third = await shared.start(x);
    expect(await statusOf(third, x)).toBe(200);
    expect(await statusOf(third, y)).toBe(401);
  });

  it('stays revoked at a restart after an admin has revoked it', async () => {
    const shared = await newShared();
    const key = newKey();
    await revoke(await shared.start(key), key);
    const restarted = await shared.start(key);
    expect(await statusOf(restarted, key)).toBe(401);
    expect(restarted.logs.join('')).toContain('BOOTSTRAP_ADMIN_KEY names a revoked key');
  });

  it('stays valid where a process that does not serve the API starts with another one', async () => {
    const shared = await newShared();
    const [x, y] = [newKey(), newKey()];
    const first = await shared.start(x);
    await shared.start(y, 'webhooks');
    expect(await statusOf(first, x)).toBe(200);
    expect(await statusOf(first, y)).toBe(401);
  });

  it('is one where two processes start together with different ones', async () => {
    const shared = await newShared();
    const [x, y] = [newKey(), newKey()];
    const [first] = await Promise.all([shared.start(x), shared.start(y)]);
    const keys = await first.app.get(ApiKeysService, { strict: false }).list();
    expect(keys.filter((key) => key.origin === 'bootstrap' && key.revokedAt === null)).toHaveLength(
      1,
    );
  });
});

it('a bootstrap key stays revoked if an admin revokes it after it was replaced', async () => {
  const shared = await newShared();
  const [x, y] = [newKey(), newKey()];
  await shared.start(x);
  const gateway = await shared.start(y);
  const keys = gateway.app.get(ApiKeysService, { strict: false });
  const replaced = (await keys.list()).find(({ revokedAt }) => revokedAt !== null);
  expect(await keys.revoke(replaced?.id ?? '')).toBeDefined();
  const again = await shared.start(x);
  expect(await statusOf(again, x)).toBe(401);
  expect(await statusOf(again, y)).toBe(200);
});

it('a bootstrap key is set by one process at a time', async () => {
  const shared = await newShared();
  const gateway = await shared.start();
  const other = new Client({ connectionString: gateway.settings.DATABASE_URL });
  await other.connect();
  cleanUps.push(() => other.end());
  await other.query('SELECT pg_advisory_lock(7203114906)');
  const store = gateway.app.get(ApiKeyStore, { strict: false });
  const key = { service: 'bootstrap', scopes: ['admin' as const], prefix: 'x' };
  const change = store.setBootstrapKey({ ...key, id: randomUUID(), keyHash: randomBytes(32) });
  await eventually('it waits for the lock', async () => {
    const { rowCount } = await other.query(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
    );
    return rowCount === 1 ? true : undefined;
  });
  await other.query('SELECT pg_advisory_unlock(7203114906)');
  expect(await change).toBe('added');
});

/** How long another process may accept a revoked key. */
const PROMISED_MILLISECONDS = 6000;
/** For a busy machine. A key that stays valid until a restart would never be refused. */
const SLACK_MILLISECONDS = 14_000;

it('a revoked key in steady use stops working in another process within 6 s', async () => {
  const shared = await newShared();
  const here = await shared.start();
  const there = await shared.start();
  const key = await here.newKey('platform', ['admin']);
  expect(await statusOf(there, key)).toBe(200);
  await revoke(here, key);
  const begin = performance.now();
  await refuses(there, key);
  expect(performance.now() - begin).toBeLessThan(PROMISED_MILLISECONDS + SLACK_MILLISECONDS);
});

it('a key that is revoked during a read of all keys stops working at once', async () => {
  const gateway = await (await newShared()).start();
  const key = await gateway.newKey('platform', ['admin']);
  expect(await statusOf(gateway, key)).toBe(200);
  const store = gateway.app.get(ApiKeyStore, { strict: false });
  const readKeys = store.listActive.bind(store);
  const begun = Promise.withResolvers<void>();
  const revoked = Promise.withResolvers<void>();
  vi.spyOn(store, 'listActive').mockImplementationOnce(async () => {
    const keys = await readKeys();
    begun.resolve();
    await revoked.promise;
    return keys;
  });
  const guess = statusOf(gateway, newKey());
  await begun.promise;
  await revoke(gateway, key);
  gateway.app.get(ApiKeysService, { strict: false }).forgetKnown();
  revoked.resolve();
  expect(await guess).toBe(401);
  expect(await statusOf(gateway, key)).toBe(401);
});
