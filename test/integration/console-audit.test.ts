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

it('the audit is verified on demand', async () => {
  const { body } = await user.get('/admin/actions/verify');
  expect(body).toContain('The audit is intact');
  expect((await actions())[0]).toMatchObject({
    action: 'audit.verify',
    state: 'done',
    detail: { result: 'intact' },
  });
});

it('verifies the audit against a head from the log, by a link that can be reloaded', async () => {
  const { body } = await user.get('/admin/actions/verify');
  const [head = ''] = /head_[0-9a-z_]+/.exec(String(body)) ?? [];
  const path = `/admin/actions/verify?since=${head}`;
  for (let times = 0; times < 2; times++) {
    expect((await user.get(path)).body).toContain('The audit is intact');
  }
  const forged = await user.get(`/admin/actions/verify?since=${head.slice(0, -1)}x`);
  expect(forged.body).not.toContain('The audit is intact');
});
