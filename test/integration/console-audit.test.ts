import { afterAll, beforeAll, expect, it } from 'vitest';
import { consoleUser, type ConsoleUser } from '../support/console.js';
import { startGateway, type Answer, type TestGateway } from '../support/gateway.js';

/* Admin actions in the console, and the verification of the audit. */

let gateway: TestGateway;
let user: ConsoleUser;

beforeAll(async () => {
  gateway = await startGateway();
  user = await consoleUser(gateway);
});
afterAll(() => gateway.close());

async function actions(): Promise<Answer['body'][]> {
  const authorization = `Bearer ${await gateway.newKey('reader', ['admin'])}`;
  const { body } = await gateway.call('GET', '/v1/admin/actions', undefined, { authorization });
  return body.actions;
}

it('verifies the audit on demand', async () => {
  const { body } = await user.get('/admin/actions/verify');
  expect(body).toContain('The audit is intact');
  expect((await actions())[0]).toMatchObject({
    action: 'audit.verify',
    state: 'done',
    detail: { result: 'intact' },
  });
});

it('verifies the audit against a head from the log at a reloadable address', async () => {
  const { body } = await user.get('/admin/actions/verify');
  const [head = ''] = /head_[0-9a-z_]+/.exec(String(body)) ?? [];
  const path = `/admin/actions/verify?since=${head}`;
  for (let times = 0; times < 2; times++) {
    expect((await user.get(path)).body).toContain('The audit is intact');
  }
  const forged = await user.get(`/admin/actions/verify?since=${head.slice(0, -1)}x`);
  expect(forged.body).not.toContain('The audit is intact');
});

it('shows who revoked a key, two clicks from the list of keys', async () => {
  await user.post('/admin/keys', { service: 'billing', scopes: 'jobs' });
  const keys = String((await user.get('/admin/keys')).body);
  const row = keys.split('<tr').find((text) => text.includes('billing')) ?? '';
  const [, id = ''] = /\/admin\/keys\/([\w-]+)\/revoke/.exec(row) ?? [];
  await user.post(`/admin/keys/${id}/revoke`);
  const revoked = String((await user.get('/admin/keys')).body);
  const [, history = ''] = new RegExp(`href="([^"]*${id})"`).exec(revoked) ?? [];
  const rows = rowsOf(String((await user.get(history)).body));
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatch(/platform.*console.*Revoked an API key/s);
  expect(rows[1]).toContain('Created an API key');
});

it('finds admin actions by their kind', async () => {
  await user.get('/admin/actions/verify');
  const rows = rowsOf(String((await user.get('/admin/actions?action=audit.verify')).body));
  expect(rows.length).toBeGreaterThan(0);
  for (const row of rows) expect(row).toContain('Verified the audit');
});

it('shows an action that ended as one row, also where its start is on the next page', async () => {
  const other = await startGateway();
  try {
    const admin = await consoleUser(other);
    // The newest entry stands alone, so that the page ends between a start and its outcome.
    for (let n = 0; n < 30; n++) await admin.get('/admin/actions/verify');
    await admin.post('/admin/keys', { service: 'billing', scopes: 'jobs' });
    const shown: string[] = [];
    let path: string | undefined = '/admin/actions';
    while (path !== undefined) {
      const html: string = String((await admin.get(path)).body);
      shown.push(...rowsOf(html).filter((row) => row.includes('Verified the audit')));
      path = /<a href="([^"]+)" rel="next"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
    }
    expect(shown).toHaveLength(30);
    expect(shown.filter((row) => row.includes('started'))).toEqual([]);
  } finally {
    await other.close();
  }
});

function rowsOf(html: string): string[] {
  return (/<tbody.*<\/tbody>/s.exec(html)?.[0] ?? '').split('<tr').slice(1);
}
