import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditAlarm } from '../../src/audit/audit-alarm.js';
import { AuditLog } from '../../src/audit/audit-log.js';
import { AuditVerifier, type Verification } from '../../src/audit/audit-verifier.js';
import { AuditWatch } from '../../src/audit/audit-watch.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { RefusalRechecker } from '../../src/webhooks/refusal-rechecker.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';

/* Forgeries by an attacker with full access to the database, and without the audit keys, while a process runs. */

let gateway: TestGateway;
let others: TestGateway[] = [];
beforeEach(async () => {
  gateway = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600' });
  await refusals(4);
});
afterEach(async () => {
  for (const other of others) await other.close();
  others = [];
  await gateway.close();
});

async function startOther(environment: Record<string, string> = {}): Promise<TestGateway> {
  const other = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600', ...environment });
  others.push(other);
  return other;
}

const startReplica = (): Promise<TestGateway> =>
  startOther({ DATABASE_URL: gateway.settings.DATABASE_URL ?? '' });

async function refusals(count: number, to = gateway): Promise<void> {
  for (let n = 0; n < count; n++) {
    await send(`${to.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: `j${n}` });
  }
  await to.app.get(AuditWriter, { strict: false }).flushAudit();
}

/** Triggers do not fire for whoever may switch them off. */
async function forge(...statements: string[]): Promise<void> {
  const client = await gateway.pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    for (const statement of statements) await client.query(statement);
  } finally {
    client.release(true);
  }
}

/** What a running process does every 15 seconds, and every hour. Returns what it has found so far. */
async function watch(process = gateway): Promise<number> {
  await process.app
    .get(AuditLog, { strict: false })
    .checkChain()
    .catch(() => undefined);
  await process.app.get(AuditWatch, { strict: false }).verify();
  return process.app.get(AuditAlarm, { strict: false }).count;
}

const headOf = async (process = gateway): Promise<string> =>
  (await process.app.get(AuditLog, { strict: false }).readHead()) ?? '';

const verify = (process: TestGateway, since?: string): Promise<Verification> =>
  process.app.get(AuditVerifier, { strict: false }).verify(since);

const ENTRY = 'id, at, kind, data, key_id, hash';
const CUT = 'DELETE FROM audit_entries WHERE id > 2';
const END_AT_2 = `last_id = 2, last_hash = (SELECT hash FROM audit_entries WHERE id = 2)`;

describe('a forgery', () => {
  it.each<[string, readonly string[]]>([
    [
      'exchanges the contents of two entries',
      [
        `UPDATE audit_entries e SET data = o.data, at = o.at, hash = o.hash FROM audit_entries o
          WHERE (e.id, o.id) IN ((2, 3), (3, 2))`,
      ],
    ],
    [
      'moves the time of an entry by a second',
      [`UPDATE audit_entries SET at = at + interval '1 s' WHERE id = 2`],
    ],
    [
      'moves the time of an entry to infinity',
      [`UPDATE audit_entries SET at = 'infinity' WHERE id = 2`],
    ],
    [
      'moves the time of an entry beyond what JavaScript can tell',
      [`UPDATE audit_entries SET at = '280000-01-01Z' WHERE id = 2`],
    ],
    ['makes the content of an entry null', [`UPDATE audit_entries SET data = 'null' WHERE id = 2`]],
    [
      'removes the hash of an entry',
      [
        'ALTER TABLE audit_entries ALTER hash DROP NOT NULL',
        'UPDATE audit_entries SET hash = NULL WHERE id = 2',
      ],
    ],
    ['empties the hash of an entry', [`UPDATE audit_entries SET hash = '' WHERE id = 2`]],
    [
      'removes the hash of the end',
      [
        'ALTER TABLE audit_chain ALTER last_hash DROP NOT NULL',
        'UPDATE audit_chain SET last_hash = NULL',
      ],
    ],
    [
      'gives an entry to another key',
      [`UPDATE audit_entries SET key_id = 'abcdef012345' WHERE id = 2`],
    ],
    [
      'turns a refusal into one that was only observed',
      [`UPDATE audit_entries SET kind = 'observed' WHERE id = 2`],
    ],
    [
      'renames the address of an entry',
      [
        `UPDATE audit_entries SET data = jsonb_set(data, '{clientAddress}', '"10.0.0.1"') WHERE id = 3`,
      ],
    ],
    [
      'removes the newest entries, and ends the chain before them',
      [CUT, `UPDATE audit_chain SET ${END_AT_2}`],
    ],
    [
      'removes the newest entries, and ends the chain before them with a key that nobody has',
      [
        CUT,
        `UPDATE audit_chain SET ${END_AT_2}, key_id = 'abcdef012345', keys = keys || '{"abcdef012345": "2"}'`,
      ],
    ],
    ['puts back only the entries of an earlier time', [CUT]],
    [
      'appends an entry of its own',
      [
        `INSERT INTO audit_entries (${ENTRY}) SELECT 5, at, kind, data, key_id, hash FROM audit_entries WHERE id = 4`,
      ],
    ],
    [
      'puts an entry before the beginning',
      [
        `INSERT INTO audit_entries (${ENTRY}) SELECT 0, at, kind, data, key_id, hash FROM audit_entries WHERE id = 4`,
      ],
    ],
    ['replaces the signature of the anchor', [`UPDATE installation SET mac = 'x'`]],
    ['gives the database another identity', [`UPDATE installation SET id = gen_random_uuid()`]],
    [
      'gives the database another identity, signed with a key that nobody has',
      [`UPDATE installation SET id = gen_random_uuid(), key_id = 'abcdef012345'`],
    ],
    [
      'edits an encrypted raw request',
      [
        `UPDATE audit_originals SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) WHERE entry_id = 2`,
      ],
    ],
    [
      'gives an encrypted raw request to another key',
      [`UPDATE audit_originals SET key_id = 'abcdef012345' WHERE entry_id = 2`],
    ],
    [
      'makes partitions of the entries',
      [
        'ALTER TABLE audit_entries RENAME TO part',
        'CREATE TABLE audit_entries (LIKE part INCLUDING GENERATED) PARTITION BY RANGE (id)',
      ],
    ],
    [
      'adds a table that inherits from the entries',
      ['CREATE TABLE more_entries () INHERITS (audit_entries)'],
    ],
    [
      'has the function of the triggers let all changes pass',
      [`ALTER FUNCTION audit_entries_append_only() SET gateway.audit_retention = 'on'`],
    ],
    [
      'has the database refuse entries about tampering',
      [`ALTER TABLE audit_entries ADD CONSTRAINT calm CHECK (kind <> 'tampering')`],
    ],
    [
      'keeps raw requests for ever',
      [`ALTER TABLE audit_originals ALTER at SET DEFAULT 'infinity'`],
    ],
    [
      'has a disabled trigger drop entries',
      [
        `CREATE FUNCTION calm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
        'CREATE TRIGGER calm BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION calm()',
        'ALTER TABLE audit_entries ENABLE REPLICA TRIGGER calm',
      ],
    ],
  ])('that %s is noticed by a running process, and by a verification', async (_, statements) => {
    const since = await headOf();
    await forge(...statements);
    expect.soft(await verify(gateway, since)).toMatchObject({ ok: false, state: 'changed' });
    expect(await watch()).toBeGreaterThan(0);
    expect(await verify(gateway, since)).toMatchObject({ ok: false, state: 'changed' });
  });

  it.each(['abcdef012345', 'none'])(
    'that cuts entries off and signs the end with the key %s is noticed without a verification',
    async (key) => {
      await forge(CUT, `UPDATE audit_chain SET ${END_AT_2}, key_id = '${key}'`);
      expect(await gateway.app.get(AuditLog, { strict: false }).checkChain()).toBeDefined();
      expect(gateway.app.get(AuditAlarm, { strict: false }).count).toBe(1);
    },
  );

  it('that changes the newest hash is noticed by a process that starts after it', async () => {
    await forge(`UPDATE audit_entries SET hash = 'x' WHERE id = 4`);
    const replica = await startReplica();
    expect(replica.app.get(AuditAlarm, { strict: false }).count).toBe(1);
  });

  it('that exchanges two encrypted raw requests lets neither pass a re-check', async () => {
    await forge(
      `UPDATE audit_originals o SET sealed = other.sealed FROM audit_originals other
        WHERE (o.entry_id, other.entry_id) IN ((1, 2), (2, 1))`,
    );
    const judged = await gateway.app.get(RefusalRechecker, { strict: false }).recheckRefusals({});
    expect(judged).toMatchObject({ checked: 2, unreadable: 2 });
  });

  it('that leaves nothing but a key id that nobody has is unverifiable', async () => {
    await forge(`UPDATE installation SET key_id = 'abcdef012345', mac = 'x'`);
    expect(await verify(gateway)).toMatchObject({ ok: false, state: 'unverifiable' });
  });

  it('that exchanges the audit for the one of another gateway with the same keys is noticed', async () => {
    const other = await startOther();
    await refusals(12, other);
    await retireAll(other);
    await refusals(1, other);
    const since = await headOf();
    await copyAudit(other);
    expect(await watch()).toBeGreaterThan(0);
    expect(await verify(gateway, since)).toMatchObject({ state: 'changed' });
  });

  it('that puts back the anchor of an earlier time, with its chain, is noticed', async () => {
    await forge(
      'CREATE TABLE saved_anchor AS SELECT * FROM installation',
      'CREATE TABLE saved_chain AS SELECT * FROM audit_chain',
      `CREATE TABLE saved_entries AS SELECT ${ENTRY} FROM audit_entries`,
      'DELETE FROM installation',
    );
    await refusals(1);
    await refusals(2);
    const since = await headOf();
    const found = await watch();
    await forge(
      'DELETE FROM installation',
      'INSERT INTO installation SELECT * FROM saved_anchor',
      'DELETE FROM audit_chain',
      'INSERT INTO audit_chain SELECT * FROM saved_chain',
      'DELETE FROM audit_entries',
      `INSERT INTO audit_entries (${ENTRY}) SELECT ${ENTRY} FROM saved_entries`,
    );
    expect(await verify(await startReplica(), since)).toMatchObject({ state: 'changed' });
    expect(await watch()).toBeGreaterThan(found);
  });

  it('is noticed once by each of two processes, which then agree', async () => {
    const replica = await startReplica();
    await forge(CUT, `UPDATE audit_chain SET ${END_AT_2}`, 'DELETE FROM installation');
    for (const process of [gateway, replica]) {
      await process.app.get(AuditLog, { strict: false }).checkChain();
    }
    for (const process of [gateway, replica, gateway, replica]) {
      expect(await process.app.get(AuditLog, { strict: false }).checkChain()).toBeUndefined();
    }
  });
});

describe('the audit continues', () => {
  it.each([
    [
      'the end was moved to the last id that PostgreSQL has',
      `UPDATE audit_chain SET last_id = 9223372036854775807`,
    ],
    ['the keys of the chain are nonsense', `UPDATE audit_chain SET keys = '{"a": "b", "c": {}}'`],
    ['the keys of the chain are no object', `UPDATE audit_chain SET keys = '[null]'`],
  ])('although %s', async (_, statement) => {
    await forge(statement);
    await refusals(2);
    await refusals(2);
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS n FROM audit_entries WHERE kind = 'refused'`,
    );
    expect(rows[0]?.n).toBe(8);
    expect(await watch()).toBeGreaterThan(0);
  });
});

/** Everything that there is, as if it were old enough. */
async function retireAll(process: TestGateway): Promise<void> {
  expect(
    await process.app.get(AuditLog, { strict: false }).deleteOldEntries(-1, 1000),
  ).toBeGreaterThan(0);
}

/** Copies the whole audit of another database into that of `gateway`. */
async function copyAudit(from: TestGateway): Promise<void> {
  await forge(
    'DELETE FROM audit_entries',
    'DELETE FROM audit_originals',
    'DELETE FROM audit_chain',
    'DELETE FROM installation',
  );
  for (const [table, columns] of [
    ['installation', 'single, id, created_at, key_id, mac'],
    ['audit_chain', 'single, first_id, first_hash, last_id, last_hash, key_id, mac, keys'],
    ['audit_entries', ENTRY],
  ] as const) {
    const { rows } = await from.pool.query(
      `SELECT coalesce(json_agg(t), '[]')::text AS rows FROM (SELECT ${columns} FROM ${table}) t`,
    );
    await gateway.pool.query(
      `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM json_populate_recordset(NULL::${table}, $1)`,
      [rows[0]?.rows],
    );
  }
}
