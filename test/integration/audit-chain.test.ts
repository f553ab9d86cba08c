import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditQueries } from '../../src/audit/audit-queries.js';
import { AuditVerifier } from '../../src/audit/audit-verifier.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600' });
});
afterEach(() => gateway.close());

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
const verify = () => get(AuditVerifier).verify();
const forge = (body: unknown = { status: 'Completed', job_id: 'made-up' }, to = gateway) =>
  send(`${to.url}/webhooks/reducto`, 'POST', body);

async function refusals(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await forge();
  await get(AuditWriter).flushAudit();
}
/** Entries of some days ago, as a gateway wrote them then. */
async function oldEntries(count: number, days: number): Promise<void> {
  const at = new Date(Date.now() - days * 86_400_000);
  const entry = { at, kind: 'refused', data: { cause: 'not_json' } } as const;
  await get(AuditLog).appendEntries(Array.from({ length: count }, () => ({ entry })));
}
/** As somebody who owns the database can, against all triggers. */
async function tamper(statement: string): Promise<void> {
  await gateway.pool.query('ALTER TABLE audit_entries DISABLE TRIGGER ALL');
  await gateway.pool.query(statement);
  await gateway.pool.query('ALTER TABLE audit_entries ENABLE TRIGGER ALL');
}

describe('the chain of the audit', () => {
  it('is whole when empty and after refusals', async () => {
    const intact = { ok: true, state: 'intact', firstBroken: null, reason: null };
    expect(await verify()).toMatchObject({ ...intact, rows: 0 });
    await refusals(7);
    expect(await verify()).toMatchObject({ ...intact, rows: 7 });
  });

  it.each([
    [
      'a changed field',
      `UPDATE audit_entries SET data = data || '{"cause":"too_large"}' WHERE id = 3`,
      '3',
    ],
    ['a changed time', `UPDATE audit_entries SET at = at - interval '1 h' WHERE id = 3`, '3'],
    ['a changed kind', `UPDATE audit_entries SET kind = 'observed' WHERE id = 3`, '3'],
    [
      'a changed hash',
      `UPDATE audit_entries SET hash = decode(repeat('00', 32), 'hex') WHERE id = 3`,
      '3',
    ],
    ['a removed entry', 'DELETE FROM audit_entries WHERE id = 3', '3'],
    ['a removed beginning', 'DELETE FROM audit_entries WHERE id <= 2', '1'],
    ['a cut end', 'DELETE FROM audit_entries WHERE id >= 5', '5'],
    ['an empty table', 'DELETE FROM audit_entries', '1'],
    [
      'an entry made up at the end',
      `INSERT INTO audit_entries (id, at, kind, data, key_id, hash)
       SELECT 8, at, kind, data, key_id, hash FROM audit_entries WHERE id = 7`,
      '8',
    ],
    [
      'two entries that changed places',
      `UPDATE audit_entries SET id = CASE id WHEN 3 THEN 104 ELSE 103 END WHERE id IN (3, 4);
       UPDATE audit_entries SET id = id - 100 WHERE id > 100`,
      '3',
    ],
    [
      'a cut end, with the mark of the end moved back',
      `DELETE FROM audit_entries WHERE id >= 5;
       UPDATE audit_chain SET last_id = 4, last_hash = (SELECT hash FROM audit_entries WHERE id = 4)`,
      '0',
    ],
    ['a lost mark of the end', 'DELETE FROM audit_chain', '1'],
  ])('shows %s', async (_, statement, firstBroken) => {
    await refusals(7);
    await tamper(statement);
    const found = await verify();
    expect(found).toMatchObject({ ok: false, firstBroken });
    expect(found.reason).toMatch(/\w/);
  });

  it.each([
    'UPDATE audit_entries SET at = now()',
    'DELETE FROM audit_entries',
    'TRUNCATE audit_entries',
  ])('refuses %s', async (statement) => {
    await refusals(2);
    await expect(gateway.pool.query(statement)).rejects.toThrow('append-only');
  });

  it('stays intact when retention removes its beginning, and still shows a removed entry', async () => {
    await oldEntries(3, 2);
    await refusals(4);
    expect(await get(AuditLog).deleteOldEntries(1, 2)).toBe(2);
    expect(await get(AuditLog).deleteOldEntries(1, 100)).toBe(1);
    expect(await get(AuditLog).deleteOldEntries(1, 100)).toBe(0);
    await refusals(1);
    expect(await verify()).toMatchObject({ ok: true, rows: 5 });
    await tamper('DELETE FROM audit_entries WHERE id = 4');
    expect(await verify()).toMatchObject({ ok: false, firstBroken: '4' });
  });

  it('keeps an entry from retention whose time was moved into the past', async () => {
    await refusals(3);
    await tamper(`UPDATE audit_entries SET at = at - interval '2 days'`);
    expect(await get(AuditLog).deleteOldEntries(1, 100)).toBe(0);
    expect(await verify()).toMatchObject({ state: 'changed', firstBroken: '1' });
  });

  it('does not fork when replicas write at once', async () => {
    const other = await startGateway({
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    });
    try {
      const flush = async (): Promise<void> => {
        await Promise.all([
          get(AuditWriter).flushAudit(),
          other.app.get(AuditWriter, { strict: false }).flushAudit(),
        ]);
      };
      for (let n = 0; n < 10; n++) {
        await Promise.all([forge(), forge(undefined, other), forge(), forge(undefined, other)]);
        await flush();
      }
      expect(await verify()).toMatchObject({ ok: true, rows: 40 });
    } finally {
      await other.close();
    }
  });

  it('shows an entry that names a key which never wrote it', async () => {
    await refusals(2);
    await tamper(`UPDATE audit_entries SET key_id = 'abcdef123456' WHERE id = 2`);
    expect(await verify()).toMatchObject({
      state: 'changed',
      firstBroken: '2',
      reason: expect.stringContaining('AUDIT_KEYS'),
    });
  });
});

describe('a flood of forged callbacks', () => {
  it('is kept in part, counted as a whole, and the sum is exact', async () => {
    const flood = 3000;
    const bodies: unknown[] = [
      { status: 'Completed', job_id: 'made-up' },
      'not json',
      { status: 'Completed', job_id: 'x', metadata: { gateway_job_id: 'a', token: 'v1.b' } },
    ];
    for (let sent = 0; sent < flood; sent += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, n) => forge(bodies[(sent + n) % 3])));
    }
    await get(AuditWriter).flushAudit();
    const summary = await get(AuditQueries).summarizeRefusals({});
    expect(summary.stored + summary.counted).toBe(flood);
    expect(summary.stored).toBeLessThanOrEqual(2 * 3 * 120);
    expect(summary.byCause).toEqual({
      token_missing: 1000,
      wrong_content_type: 1000,
      token_invalid: 1000,
    });
    const { rows } = await gateway.pool.query('SELECT count(*)::int AS n FROM audit_entries');
    expect(rows[0].n).toBeLessThan(2 * 3 * 120 + 300);
    expect(await verify()).toMatchObject({ ok: true });
  });
});
