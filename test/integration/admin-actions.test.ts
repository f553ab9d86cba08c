import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccessFailures } from '../../src/admin/access-failures.js';
import { AUDIT_KEYS, send, startGateway, type TestGateway } from '../support/gateway.js';
import { signIn } from '../support/console.js';
import { run } from '../support/processes.js';

const UNKNOWN_ID = '01a2145e-8e49-76b3-aac9-a97db0330a5d';

let gateway: TestGateway;
let adminKey: string;
beforeAll(async () => {
  gateway = await startGateway({ CONSOLE_SIGN_IN_ATTEMPTS: '1000' });
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterAll(() => gateway.close());

const admin = (method: string, path: string, body?: unknown) =>
  send(`${gateway.url}/v1/admin/${path}`, method, body, { authorization: `Bearer ${adminKey}` });
const command = (...args: string[]) =>
  run(['dist/src/cli.js', ...args], {
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    AUDIT_KEYS,
    USER: 'root',
  });

interface Action {
  action: string;
  state: string;
  reason: string | null;
  actor: Record<string, string>;
  detail: Record<string, unknown>;
}
const actions = async (): Promise<Action[]> => (await admin('GET', 'actions')).body.actions;

describe('an API key', () => {
  it('that was created and revoked is named by service, prefix, and id both times', async () => {
    const { body } = await admin('POST', 'keys', { service: 'scanner', scopes: ['jobs'] });
    await admin('DELETE', `keys/${body.id}`);
    const names = { key: body.id, prefix: `${body.key.slice(0, 8)}…`, service: 'scanner' };
    expect((await actions()).slice(0, 2)).toMatchObject([
      {
        action: 'key.revoke',
        state: 'done',
        actor: { via: 'api', service: 'platform' },
        detail: names,
      },
      { action: 'key.create', state: 'done', actor: { via: 'api' }, detail: names },
    ]);
  });

  it('that is unknown is recorded as a revocation that failed', async () => {
    expect((await admin('DELETE', `keys/${UNKNOWN_ID}`)).status).toBe(404);
    expect((await actions())[0]).toMatchObject({
      action: 'key.revoke',
      state: 'failed',
      reason: 'key_not_found',
      detail: { key: UNKNOWN_ID },
    });
  });

  it('that is unknown is recorded as a failed command of a user', async () => {
    expect((await command('keys', 'revoke', UNKNOWN_ID)).code).toBe(1);
    const [last] = await actions();
    expect(last).toMatchObject({ action: 'key.revoke', state: 'failed', reason: 'key_not_found' });
    expect(last?.actor).toEqual({ keyId: '', service: expect.stringMatching(/./), via: 'command' });
  });

  it('that a command created is recorded with its user and its identifiers', async () => {
    const { stdout } = await command('keys', 'create', '--service', 'by-command');
    const [, id] = /Created key ([0-9a-f-]{36})/.exec(stdout) ?? [];
    expect((await actions())[0]).toMatchObject({
      action: 'key.create',
      state: 'done',
      actor: { via: 'command' },
      detail: { key: id, service: 'by-command', prefix: expect.stringMatching(/^rgw_.{4}…$/) },
    });
  });

  it('is not created where the audit cannot be written', async () => {
    await gateway.pool.query('ALTER TABLE audit_entries RENAME TO hidden');
    const { status } = await admin('POST', 'keys', { service: 'unrecorded', scopes: ['jobs'] });
    await gateway.pool.query('ALTER TABLE hidden RENAME TO audit_entries');
    expect(status).toBe(500);
    const { rows } = await gateway.pool.query(
      `SELECT 1 FROM api_keys WHERE service = 'unrecorded'`,
    );
    expect(rows).toEqual([]);
  });
});

describe('access that is refused', () => {
  it('to an admin route without a key is recorded', async () => {
    expect((await send(`${gateway.url}/v1/admin/keys`, 'GET')).status).toBe(401);
    expect((await actions())[0]).toMatchObject({
      action: 'admin.access',
      state: 'failed',
      reason: 'unauthenticated',
      actor: { via: 'api', service: '' },
      detail: { address: '127.0.0.1' },
    });
  });

  it('to an admin route with a key without the scope is recorded with its service', async () => {
    expect((await gateway.call('GET', '/v1/admin/keys')).status).toBe(403);
    expect((await actions())[0]).toMatchObject({
      reason: 'forbidden',
      actor: { via: 'api', service: 'invoices' },
    });
  });

  it('to the console is recorded as a sign-in that failed', async () => {
    expect((await signIn(gateway, 'rgw_guessed')).status).toBe(401);
    const [last] = await actions();
    expect(last).toMatchObject({
      action: 'session.begin',
      state: 'failed',
      reason: 'unauthenticated',
      actor: { via: 'console' },
      detail: { address: '127.0.0.1' },
    });
    expect(JSON.stringify(last)).not.toContain('guessed');
  });

  it('many times is counted exactly, in a bounded number of entries', async () => {
    const count = async (): Promise<{ entries: number; failures: number }> => {
      const { rows } = await gateway.pool.query(
        `SELECT count(*)::int AS entries, coalesce(sum(count), 0)::int AS failures FROM audit_entries
          WHERE data->>'action' = 'session.begin' AND data->>'state' = 'failed'`,
      );
      return rows[0];
    };
    const before = await count();
    for (let n = 0; n < 100; n++) await signIn(gateway, 'rgw_guessed');
    gateway.app.get(AccessFailures, { strict: false }).writeCounts();
    await actions();
    const after = await count();
    expect(after.failures - before.failures).toBe(100);
    // The minute may end in between.
    expect(after.entries - before.entries).toBeLessThanOrEqual(2 * 20 + 1);
  });
});

it('refuses a key in the process that revoked it at once, also while the key is in use', async () => {
  const key = await gateway.newKey('revoked-in-use');
  const use = () =>
    send(`${gateway.url}/v1/jobs`, 'GET', undefined, { authorization: `Bearer ${key}` });
  expect((await use()).status).toBe(200);
  const { keys } = (await admin('GET', 'keys')).body;
  const { id } = keys.find(({ service }: { service: string }) => service === 'revoked-in-use');
  await admin('DELETE', `keys/${id}`);
  // 429 is the answer to a wrong key after many of them.
  expect([401, 429]).toContain((await use()).status);
});

it('names the entry that says started in the one that says how an action ended', async () => {
  await admin('POST', 'refusals/recheck', {});
  const { actions } = (await admin('GET', 'actions?limit=2')).body;
  const [done, started] = actions;
  expect([done.state, started.state, started.intent]).toEqual(['done', 'started', null]);
  expect(done.intent).toBe(started.id);
});

describe('failed sign-ins beyond the budget of a minute', () => {
  const failures = () => gateway.app.get(AccessFailures, { strict: false });
  /** A minute in which nothing else happens. */
  const MINUTE = Date.parse('2030-01-01T00:00:00Z');
  const fail = (address: string, at: number): void =>
    failures().record(
      {
        action: 'session.begin',
        actor: { keyId: '', service: '', via: 'console' },
        address,
        reason: 'test_budget',
      },
      new Date(at),
    );
  const recorded = async (): Promise<{ detail: Record<string, unknown> }[]> => {
    failures().writeCounts();
    const { actions } = (await admin('GET', 'actions?limit=200')).body;
    return actions.filter(({ reason }: { reason: string }) => reason === 'test_budget');
  };

  it('are counted with at most 20 addresses, and the next minute has a budget of its own', async () => {
    for (let n = 0; n < 50; n++) fail(`198.51.100.${n}`, MINUTE);
    const found = await recorded();
    expect(found).toHaveLength(21);
    const [count] = found;
    expect(count?.detail).toMatchObject({ count: 30 });
    expect(Object.keys(count?.detail['addresses'] ?? {})).toHaveLength(20);
    fail('198.51.100.99', MINUTE + 60_000);
    expect(await recorded()).toHaveLength(22);
    expect((await recorded())[0]?.detail).toEqual({ address: '198.51.100.99' });
  });
});
