import { afterEach, beforeEach, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { AuditWatch } from '../../src/audit/audit-watch.js';
import { closeAll, logged, start, sweep } from '../support/alert-steps.js';
import { send, type Answer, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
let adminKey: string;
beforeEach(async () => {
  gateway = await start();
  adminKey = await gateway.newKey('platform', ['admin']);
  for (const id of ['a', 'b', 'c']) {
    await send(`${gateway.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: id });
  }
  await sweep(gateway);
});
afterEach(closeAll);

const ask = (method: string, path: string): Promise<Answer> =>
  send(`${gateway.url}/v1/admin/${path}`, method, undefined, {
    authorization: `Bearer ${adminKey}`,
  });
const openAlerts = async () => (await ask('GET', 'alerts?state=open')).body.alerts;

async function forge(statement: string): Promise<void> {
  const client = await gateway.pool.connect();
  await client.query('SET session_replication_role = replica');
  await client.query(statement);
  client.release(true);
}

const change = (id: number): Promise<void> =>
  forge(`UPDATE audit_entries SET at = at + interval '1 s' WHERE id = ${id}`);
const verify = () => gateway.app.get(AuditWatch, { strict: false }).verify();

it('raises a critical alert that says where a verification found the audit changed', async () => {
  await change(2);
  await verify();
  expect(await sweep(gateway)).toMatchObject({ raised: 1, expedited: 0 });
  expect(await openAlerts()).toMatchObject([
    {
      kind: 'audit_tampered',
      severity: 'critical',
      message: expect.stringMatching(/^The audit was tampered with: .+ \(entry 2\)\.$/),
      advice: expect.stringContaining('gateway audit verify --since'),
      refusals: null,
    },
  ]);
  expect(logged().filter((line) => line.includes('alert raised'))).toHaveLength(1);
});

it('raises an alert where a process finds that the end of the audit was cut off', async () => {
  await forge('DELETE FROM audit_entries WHERE id > 1');
  await gateway.app.get(AuditLog, { strict: false }).checkChain();
  await sweep(gateway);
  expect(await openAlerts()).toMatchObject([{ kind: 'audit_tampered' }]);
});

it('keeps the acknowledgement of an alert about the audit while the same place is found again', async () => {
  await change(2);
  await verify();
  await sweep(gateway);
  const [{ id }] = await openAlerts();
  await ask('POST', `alerts/${id}/acknowledge`);
  await verify();
  expect(await sweep(gateway)).toMatchObject({ raised: 0 });
  expect(await openAlerts()).toMatchObject([{ id, acknowledgedBy: 'platform' }]);
});

it('withdraws the acknowledgement of an alert about the audit when another place is found', async () => {
  await change(3);
  await verify();
  await sweep(gateway);
  const [{ id }] = await openAlerts();
  await ask('POST', `alerts/${id}/acknowledge`);
  await change(2);
  await verify();
  await sweep(gateway);
  expect(await openAlerts()).toMatchObject([
    { id, acknowledgedBy: null, message: expect.stringContaining('(entry 2)') },
  ]);
});

it('closes an alert about the audit only after it was acknowledged and nothing was found again', async () => {
  await change(2);
  await verify();
  await sweep(gateway);
  await gateway.pool.query(`UPDATE alerts SET last_seen_at = now() - interval '4 hours'`);
  expect(await sweep(gateway)).toMatchObject({ closed: 0 });
  const [{ id }] = await openAlerts();
  await ask('POST', `alerts/${id}/acknowledge`);
  expect(await sweep(gateway)).toMatchObject({ closed: 1 });
});
