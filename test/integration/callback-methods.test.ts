import { METHODS, request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
let admin: Record<string, string>;
beforeAll(async () => {
  gateway = await startGateway({ ROLES: 'api,webhooks' });
  admin = { authorization: `Bearer ${await gateway.newKey('security', ['admin'])}` };
});
afterAll(() => gateway.close());

async function recorded(): Promise<number> {
  const path = '/v1/admin/refusals/summary?cause=wrong_method';
  return (await gateway.call('GET', path, undefined, admin)).body.total;
}

function statusOf(method: string, body?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body?.length ?? 0 };
    const sent = request(`${gateway.url}/webhooks/reducto`, { method, headers }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode));
    });
    sent.on('error', reject).end(body);
  });
}

it('a callback by any other method that HTTP knows is refused and recorded, with and without a body', async () => {
  const methods = METHODS.filter((method) => !['POST', 'CONNECT'].includes(method));
  for (const method of methods) expect([method, await statusOf(method)]).toEqual([method, 405]);
  expect(await statusOf('PURGE', '{"status":"Completed"}')).toBe(405);
  await expect.poll(recorded).toBe(methods.length + 1);
});
