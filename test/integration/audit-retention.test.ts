import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { AuditRetention } from '../../src/audit/audit-retention.js';
import { AuditVerifier } from '../../src/audit/audit-verifier.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ AUDIT_RETENTION_DAYS: '30', AUDIT_RAW_REQUEST_HOURS: '24' });
});
afterAll(() => gateway.close());

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const count = async (table: string): Promise<number> =>
  (await gateway.pool.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;

it('deletes raw requests first, then entries, and the chain stays intact', async () => {
  const at = new Date(Date.now() - 31 * 86_400_000);
  const old = { entry: { at, kind: 'refused', data: { cause: 'not_json' } } } as const;
  await get(AuditLog).appendEntries([old, old]);
  for (let n = 0; n < 5; n++) {
    await send(`${gateway.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: `j${n}` });
  }
  await get(AuditWriter).flushAudit();
  expect([await count('audit_entries'), await count('audit_originals')]).toEqual([7, 5]);

  await gateway.pool.query(
    `UPDATE audit_originals SET at = at - interval '25 hours' WHERE entry_id <= 5`,
  );
  expect(await get(AuditRetention).sweep()).toEqual({ entries: 2, rawRequests: 3 });
  expect(await get(AuditRetention).sweep()).toEqual({ entries: 0, rawRequests: 0 });
  expect(await get(AuditVerifier).verify()).toMatchObject({ ok: true, rows: 5 });
});
