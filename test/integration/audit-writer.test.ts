import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { AuditQueries, type RefusalSummary } from '../../src/audit/audit-queries.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway({
    RECONCILE_INTERVAL_SECONDS: '3600',
    LOG_LEVEL: 'error',
    WEBHOOK_MAX_BYTES: '2048',
    AUDIT_ENTRIES_PER_MINUTE: '100000',
    AUDIT_ENTRIES_PER_MINUTE_TOTAL: '100000',
    GUARD_JOB_ID: 'observe',
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await gateway.close();
});

const log = () => gateway.app.get(AuditLog, { strict: false });
const flush = () => gateway.app.get(AuditWriter, { strict: false }).flushAudit();
const summary = (): Promise<RefusalSummary> =>
  gateway.app.get(AuditQueries, { strict: false }).summarizeRefusals({});
const forge = (body: unknown = { status: 'Completed', job_id: 'x' }): Promise<Answer> =>
  send(`${gateway.url}/webhooks/reducto`, 'POST', body);

it('writes each entry once where the connection breaks after the commit', async () => {
  const append = log().appendEntries.bind(log());
  const broken = vi.spyOn(log(), 'appendEntries').mockImplementationOnce(async (...args) => {
    await append(...args);
    throw new Error('the connection broke after the commit');
  });
  await forge();
  await forge();
  await flush().catch(() => undefined);
  await flush();
  expect(broken).toHaveBeenCalled();
  expect(await summary()).toMatchObject({ stored: 2, counted: 0 });
});

it('writes the entries of a rolled-back transaction again', async () => {
  vi.spyOn(log(), 'appendEntries').mockImplementationOnce(async (appendices, attempt = {}) =>
    log().transact(async (manager, append) => {
      await append(appendices);
      const [{ id }] = await manager.query('SELECT pg_current_xact_id()::text AS id');
      attempt.transaction = id;
      throw new Error('the transaction was rolled back');
    }),
  );
  await forge();
  await flush().catch(() => undefined);
  await flush();
  expect(await summary()).toMatchObject({ stored: 1 });
});

it('counts refusals exactly beyond its limit of waiting entries while the audit cannot be written', async () => {
  const blocked = vi.spyOn(log(), 'appendEntries').mockRejectedValue(new Error('the disk is full'));
  const total = 2300;
  for (let sent = 0; sent < total; sent += 100) {
    await Promise.all(Array.from({ length: 100 }, () => forge()));
  }
  blocked.mockRestore();
  await flush();
  expect(await summary()).toMatchObject({
    stored: 2000,
    counted: total - 2000,
    byCause: { token_missing: total },
  });
  const adminKey = await gateway.newKey('platform', ['admin']);
  const recheck = await send(`${gateway.url}/v1/admin/refusals/recheck`, 'POST', undefined, {
    authorization: `Bearer ${adminKey}`,
  });
  const { checked, notKept } = recheck.body;
  expect(checked + notKept).toBe(total);
  expect(notKept).toBeGreaterThanOrEqual(total - 2000);
});

it('does not keep the raw request of a body that was cut', async () => {
  await forge({ status: 'Completed', job_id: 'x', more: 'a'.repeat(4000) });
  await flush();
  const { rows } = await gateway.pool.query(
    `SELECT data->'bodyComplete' AS complete,
            (SELECT count(*)::int FROM audit_originals) AS kept FROM audit_entries`,
  );
  expect(rows).toEqual([{ complete: false, kept: 0 }]);
});

it('counts refusals by cause, guard, and outcome in the metrics', async () => {
  await forge();
  await forge('x');
  const id = randomUUID();
  const metadata = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
  expect(await forge({ status: 'Completed', job_id: 'x', metadata })).toMatchObject({
    status: 200,
  });
  const { body } = await send(`${gateway.url}/metrics`, 'GET');
  const counted = String(body)
    .split('\n')
    .filter((line) => /^gateway_callbacks_refused_total\{.*\} [1-9]/.test(line))
    .map((line) => line.replaceAll(/,?otel_\w+="[^"]*"/g, ''));
  expect(counted.toSorted()).toEqual([
    'gateway_callbacks_refused_total{cause="job_unknown",guard="job_id",outcome="observed"} 1',
    'gateway_callbacks_refused_total{cause="token_missing",guard="secret",outcome="refused"} 1',
    'gateway_callbacks_refused_total{cause="wrong_content_type",guard="well_formed",outcome="refused"} 1',
  ]);
});
