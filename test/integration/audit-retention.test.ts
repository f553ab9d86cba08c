import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuditRetention } from '../../src/audit/audit-retention.js';
import { AuditVerifier } from '../../src/audit/audit-verifier.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ AUDIT_RETENTION_DAYS: '30', AUDIT_ORIGINALS_HOURS: '24' });
});
afterAll(() => gateway.close());

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const count = async (table: string): Promise<number> =>
  (await gateway.pool.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;

it('lets go of originals first, then of entries, and the chain stays whole', async () => {
  for (let n = 0; n < 5; n++) {
    await send(`${gateway.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: `j${n}` });
  }
  await get(AuditWriter).settle();
  expect([await count('audit_entries'), await count('audit_originals')]).toEqual([5, 5]);

  await gateway.pool.query(
    `UPDATE audit_originals SET at = at - interval '25 hours' WHERE entry_id <= 3`,
  );
  expect(await get(AuditRetention).sweep()).toEqual({ entries: 0, originals: 3 });

  await gateway.pool.query('ALTER TABLE audit_entries DISABLE TRIGGER ALL');
  await gateway.pool.query(`UPDATE audit_entries SET at = at - interval '31 days' WHERE id <= 2`);
  await gateway.pool.query('ALTER TABLE audit_entries ENABLE TRIGGER ALL');
  expect(await get(AuditRetention).sweep()).toEqual({ entries: 2, originals: 0 });
  expect(await get(AuditVerifier).verify()).toMatchObject({ ok: true, rows: 3 });
  expect(gateway.logs.join('')).toContain('the audit ends here');
});
