import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chain, GENESIS, macOfEnds, type NewEntry } from '../../src/audit/audit-entry.js';
import { AuditKeys } from '../../src/audit/audit-keys.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { AuditVerifier } from '../../src/audit/audit-verifier.js';
import { AuditWatch } from '../../src/audit/audit-watch.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { Settings } from '../../src/platform/config/settings.js';
import { AUDIT_KEYS, send, startGateway, type TestGateway } from '../support/gateway.js';

/* An attacker with full access to the database, and without the audit keys. */

let gateway: TestGateway;
let others: TestGateway[] = [];
beforeEach(async () => {
  gateway = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600' });
});
afterEach(async () => {
  for (const other of others) await other.close();
  others = [];
  await gateway.close();
});

/** Another process on the same database. */
async function process(environment: Record<string, string> = {}): Promise<TestGateway> {
  const other = await startGateway({
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    RECONCILE_INTERVAL_SECONDS: '3600',
    ...environment,
  });
  others.push(other);
  return other;
}

const verify = (in_ = gateway, since?: string) =>
  in_.app.get(AuditVerifier, { strict: false }).verify(since);
const log = (in_ = gateway) => in_.app.get(AuditLog, { strict: false });

async function refusals(count: number, to = gateway): Promise<void> {
  for (let n = 0; n < count; n++) {
    await send(`${to.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: `j${n}` });
  }
  await to.app.get(AuditWriter, { strict: false }).flushAudit();
}

async function sql(...statements: string[]): Promise<void> {
  await gateway.pool.query('ALTER TABLE audit_entries DISABLE TRIGGER ALL');
  for (const statement of statements) await gateway.pool.query(statement);
  await gateway.pool.query('ALTER TABLE audit_entries ENABLE TRIGGER ALL');
}

const ENTRY = 'id, at, kind, data, key_id, hash';

async function saveAudit(): Promise<void> {
  await sql(
    `CREATE TABLE saved_entries AS SELECT ${ENTRY} FROM audit_entries`,
    'CREATE TABLE saved_chain AS SELECT * FROM audit_chain',
    'CREATE TABLE saved_originals AS SELECT * FROM audit_originals',
  );
}

async function restoreAudit(): Promise<void> {
  await sql(
    'DELETE FROM audit_entries',
    `INSERT INTO audit_entries (${ENTRY}) SELECT ${ENTRY} FROM saved_entries`,
    'DELETE FROM audit_chain',
    'INSERT INTO audit_chain SELECT * FROM saved_chain',
    'DELETE FROM audit_originals',
    'INSERT INTO audit_originals SELECT * FROM saved_originals',
  );
}

/** Writes the chain anew with the key that everybody knows, and with `entries` alone. */
async function rewriteWithoutKey(entries: readonly NewEntry[]): Promise<void> {
  const key = new AuditKeys(Settings.load({})).current;
  const { rows } = await gateway.pool.query('SELECT id FROM installation');
  const none = { firstId: '0', firstHash: GENESIS, lastId: '0', lastHash: GENESIS, keys: {} };
  const { chained, ends } = chain(key, none, entries);
  await sql('DELETE FROM audit_entries', 'DELETE FROM audit_originals');
  for (const { id, at, kind, data, hash } of chained) {
    await gateway.pool.query(
      `INSERT INTO audit_entries (${ENTRY}) VALUES ($1, $2, $3, $4, $5, $6)`,
      [id, at, kind, JSON.stringify(data), key.id, hash],
    );
  }
  await gateway.pool.query(
    `UPDATE audit_chain SET first_id = 0, first_hash = $1, last_id = $2, last_hash = $3, keys = $4,
            key_id = $5, mac = $6`,
    [GENESIS, ends.lastId, ends.lastHash, ends.keys, key.id, macOfEnds(key, rows[0]?.id, ends)],
  );
}

const HARMLESS: NewEntry = { at: new Date(), kind: 'refused', data: { cause: 'not_json' } };

describe('an audit that was made anew without a key', () => {
  it('is changed where the chain was written with the key that everybody knows', async () => {
    await refusals(3);
    await rewriteWithoutKey([HARMLESS]);
    expect(await verify()).toMatchObject({ ok: false, state: 'changed' });
    expect(await verify(await process())).toMatchObject({ ok: false, state: 'changed' });
  });

  it.each([
    ['entries and ends were removed', []],
    ['the anchor was removed too', ['DELETE FROM installation']],
    ['the table of the anchor was removed', ['DROP TABLE installation']],
  ])('is changed where %s', async (_, more) => {
    await refusals(3);
    await sql('DELETE FROM audit_entries', 'DELETE FROM audit_chain', ...more);
    expect(await verify()).toMatchObject({ ok: false, state: 'changed' });
  });

  it('is changed for a process that starts after everything in it was removed', async () => {
    await refusals(3);
    await sql('DELETE FROM audit_entries', 'DELETE FROM audit_chain', 'DELETE FROM installation');
    expect(await verify(await process())).toMatchObject({ ok: false, state: 'changed' });
  });

  it('is changed where all rows of the database were removed', async () => {
    await refusals(3);
    await gateway.submit();
    await sql(
      'DELETE FROM audit_entries',
      'TRUNCATE audit_chain, audit_originals, installation, api_keys, jobs, job_events, callbacks, callback_inbox, alerts, admin_sessions, uploads CASCADE',
    );
    expect(await verify(await process())).toMatchObject({ ok: false, state: 'changed' });
  });

  it('does not hold a head from the log where a new anchor was made in an unused database', async () => {
    await refusals(3);
    const since = await log().readHead();
    const fresh = await startGateway();
    others.push(fresh);
    expect(await verify(fresh)).toMatchObject({ ok: true });
    expect(await verify(fresh, since)).toMatchObject({ ok: false, state: 'changed' });
  });
});

describe('an audit that was put back to an earlier state', () => {
  it('is noticed by a running process before it appends, and stays on record', async () => {
    await refusals(2);
    await saveAudit();
    await refusals(3);
    await restoreAudit();
    await refusals(1);
    expect(gateway.logs.join('')).toContain('the audit has been tampered with');
    expect(await verify()).toMatchObject({ state: 'changed', firstBroken: '3' });
    expect(await verify(await process())).toMatchObject({ state: 'changed', firstBroken: '3' });
  });

  it('is noticed by a running process that only watches, which stays ready', async () => {
    await refusals(2);
    await saveAudit();
    await refusals(3);
    await restoreAudit();
    expect(await log().checkChain()).toMatchObject({ code: 'rolled_back' });
    expect(await log().checkChain()).toBeUndefined();
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    expect(metrics).toMatch(/gateway_audit_tampering_total 1/);
    expect((await send(`${gateway.url}/health/ready`, 'GET')).status).toBe(200);
  });

  it('is noticed although another process has appended since', async () => {
    await refusals(2);
    await saveAudit();
    await refusals(3);
    await restoreAudit();
    await refusals(5, await process());
    expect(await log().checkChain()).toMatchObject({ code: 'rolled_back' });
  });

  it('does not hold a head from the log of a process that has ended', async () => {
    await refusals(2);
    await saveAudit();
    await refusals(3);
    const since = await log().readHead();
    await restoreAudit();
    const later = await process();
    expect(await verify(later)).toMatchObject({ state: 'intact' });
    expect(await verify(later, since)).toMatchObject({ state: 'changed', firstBroken: '5' });
  });
});

describe('a head from the log', () => {
  it('is held by a chain that continued after it', async () => {
    await refusals(2);
    const since = await log().readHead();
    await refusals(2);
    expect(await verify(gateway, since)).toMatchObject({ state: 'intact', rows: 4 });
  });

  it('may be given as the whole line', async () => {
    await refusals(1);
    const line = gateway.logs.findLast((text) => text.includes('audit head'));
    expect(await verify(gateway, line)).toMatchObject({ state: 'intact' });
  });

  it.each([
    ['another id', (head: string) => head.replace(/^head_2_/, 'head_1_')],
    ['a missing part', (head: string) => head.slice(0, -1)],
    ['another signature', (head: string) => head.slice(0, -1) + (head.endsWith('0') ? '1' : '0')],
    ['nothing', () => ''],
  ])('with %s is refused', async (_, change) => {
    await refusals(2);
    const since = change((await log().readHead()) ?? '');
    expect(await verify(gateway, since)).toMatchObject({ ok: false, state: 'changed' });
  });

  it('is written to the log at the start and at the end', async () => {
    await refusals(1);
    const other = await process();
    const heads = (): number => other.logs.filter((line) => line.includes('audit head')).length;
    expect(heads()).toBe(1);
    await other.app.get(AuditWatch, { strict: false }).onApplicationShutdown();
    expect(heads()).toBe(2);
  });
});

describe('a change without a trace in the hashes', () => {
  it.each([
    ['a trigger is missing', 'DROP TRIGGER audit_entries_no_change ON audit_entries'],
    [
      'a trigger lets all pass',
      `CREATE OR REPLACE FUNCTION audit_entries_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RETURN OLD; END $$`,
    ],
    [
      'a column to search by is edited',
      `ALTER TABLE audit_entries ALTER COLUMN cause DROP EXPRESSION;
       UPDATE audit_entries SET cause = 'too_large' WHERE id = 2`,
    ],
    [
      'a computed column has another expression',
      `ALTER TABLE audit_entries DROP COLUMN guard;
       ALTER TABLE audit_entries ADD COLUMN guard text GENERATED ALWAYS AS ('secret') STORED`,
    ],
    [
      'the table is replaced by a view',
      `ALTER TABLE audit_entries RENAME TO real_entries;
       CREATE VIEW audit_entries AS SELECT * FROM real_entries WHERE id <> 2`,
    ],
    ['a rule hides deletions', 'CREATE RULE r AS ON UPDATE TO audit_entries DO INSTEAD NOTHING'],
    [
      'an entry is there twice',
      `ALTER TABLE audit_entries DROP CONSTRAINT audit_entries_pk;
       INSERT INTO audit_entries (${ENTRY}) SELECT ${ENTRY} FROM audit_entries WHERE id = 2`,
    ],
    [
      'the chain has two ends',
      `ALTER TABLE audit_chain DROP CONSTRAINT audit_chain_pk, DROP CONSTRAINT audit_chain_single;
       INSERT INTO audit_chain SELECT false, first_id, first_hash, last_id, last_hash, key_id, mac, keys
         FROM audit_chain`,
    ],
    [
      'two originals are exchanged',
      `UPDATE audit_originals o SET sealed = other.sealed FROM audit_originals other
        WHERE (o.entry_id, other.entry_id) IN ((1, 2), (2, 1))`,
    ],
    [
      'the beginning is cut and the first end moved',
      `UPDATE audit_chain SET first_id = 2, first_hash = (SELECT hash FROM audit_entries WHERE id = 2);
       DELETE FROM audit_entries WHERE id <= 2`,
    ],
  ])('shows that %s', async (_, statement) => {
    await refusals(3);
    await gateway.pool.query('ALTER TABLE audit_entries DISABLE TRIGGER ALL');
    await gateway.pool.query(statement);
    await gateway.pool.query('ALTER TABLE audit_entries ENABLE TRIGGER ALL').catch(() => undefined);
    expect(await verify()).toMatchObject({ ok: false, state: 'changed' });
  });

  it('does not become right by what a process appends after it', async () => {
    await refusals(5);
    await sql(
      'DELETE FROM audit_entries WHERE id >= 3',
      `UPDATE audit_chain SET last_id = 2, last_hash = (SELECT hash FROM audit_entries WHERE id = 2)`,
    );
    const later = await process();
    await refusals(2, later);
    expect(await verify(later)).toMatchObject({ state: 'changed', firstBroken: '3' });
  });

  it('does not keep refusals from being recorded', async () => {
    await refusals(2);
    await sql('DELETE FROM audit_chain');
    await refusals(3);
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS n FROM audit_entries WHERE kind = 'refused'`,
    );
    expect(rows[0]?.n).toBe(5);
  });
});

describe('changed AUDIT_KEYS', () => {
  const NEW_KEY = `2:${randomBytes(32).toString('base64')}`;
  const both = { AUDIT_KEYS: `${NEW_KEY},${AUDIT_KEYS}` };

  it('with the old key behind the new one verify all entries', async () => {
    await refusals(2);
    const rotated = await process(both);
    await refusals(2, rotated);
    expect(await verify(rotated)).toMatchObject({ state: 'intact', rows: 4 });
  });

  it('without the old key leave its entries unverifiable, and say so at the start', async () => {
    await refusals(2);
    const [, keyId = ''] = /"keys":\{"(\w+)"/.exec(await chainKeys()) ?? [];
    await process(both);
    const dropped = await process({ AUDIT_KEYS: NEW_KEY });
    expect(await verify(dropped)).toMatchObject({
      ok: false,
      state: 'unverifiable',
      firstBroken: '1',
      reason: expect.stringContaining(`key ${keyId} missing`),
    });
    expect(dropped.logs.join('')).toContain('AUDIT_KEYS lacks keys');
  });

  it('show a change behind entries that cannot be verified', async () => {
    await refusals(2);
    const rotated = await process(both);
    await refusals(2, rotated);
    await sql(`UPDATE audit_entries SET at = at - interval '1 h' WHERE id = 4`);
    const dropped = await process({ AUDIT_KEYS: NEW_KEY });
    expect(await verify(dropped)).toMatchObject({ state: 'changed', firstBroken: '4' });
  });

  it('with the old key put back verify what was appended without it', async () => {
    await refusals(2);
    const without = await process({ AUDIT_KEYS: NEW_KEY });
    await refusals(2, without);
    expect(await verify(without)).toMatchObject({ state: 'unverifiable' });
    expect(await verify(await process(both))).toMatchObject({ state: 'intact', rows: 5 });
  });

  async function chainKeys(): Promise<string> {
    const { rows } = await gateway.pool.query('SELECT keys FROM audit_chain');
    return JSON.stringify(rows[0]);
  }
});
