import { afterAll, beforeAll, expect, it } from 'vitest';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
let adminKey: string;

beforeAll(async () => {
  gateway = await startGateway();
  adminKey = await gateway.newKey('platform', ['admin']);
  await gateway.pool.query(
    `INSERT INTO alerts (kind, message, advice, evidence, last_seen_at, opened_at, closed_at)
     VALUES ('clock', 'first', 'advice', '{"causes":{}}', now(), now() - interval '2 h', now()),
            ('form', 'second', 'advice', '{"causes":{}}', now(), now() - interval '1 h', NULL)`,
  );
});
afterAll(() => gateway.close());

const ask = (method: string, path: string): Promise<Answer> =>
  send(`${gateway.url}/v1/admin/${path}`, method, undefined, {
    authorization: `Bearer ${adminKey}`,
  });

it('lists open and closed alerts, newest first, page by page', async () => {
  const first = (await ask('GET', 'alerts?limit=1')).body;
  expect(first.alerts).toMatchObject([{ kind: 'form', message: 'second', closedAt: null }]);
  const second = (await ask('GET', `alerts?limit=1&cursor=${first.nextCursor}`)).body;
  expect(second).toMatchObject({ alerts: [{ kind: 'clock', message: 'first' }], nextCursor: null });
});

it('keeps the first acknowledgement of an alert, and records it as an admin action', async () => {
  const [{ id }] = (await ask('GET', 'alerts?limit=1')).body.alerts;
  const { status, body } = await ask('POST', `alerts/${id}/acknowledge`);
  expect([status, body.acknowledgedBy]).toEqual([200, 'platform']);
  const again = await ask('POST', `alerts/${id}/acknowledge`);
  expect(again.body.acknowledgedAt).toBe(body.acknowledgedAt);
  const { actions } = (await ask('GET', 'actions?limit=1')).body;
  expect(actions).toMatchObject([
    { action: 'alert.acknowledge', state: 'done', detail: { alert: id, kind: 'form' } },
  ]);
});

it.each(['x', '%00', '01a2082b-ff8e-76c7-b113-fc1d5c8ed87a'])(
  'answers that the alert %s does not exist',
  async (id) => {
    const { status, body } = await ask('POST', `alerts/${id}/acknowledge`);
    expect([status, body.code]).toEqual([404, 'alert_not_found']);
  },
);

it('refuses the list of alerts to a key of a service', async () => {
  expect((await gateway.call('GET', '/v1/admin/alerts')).status).toBe(403);
});
