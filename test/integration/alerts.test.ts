import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { AlertQueries } from '../../src/alerts/alert-queries.js';
import { AuditWriter } from '../../src/audit/audit-writer.js';
import { ReconcilerService } from '../../src/reconciler/reconciler.service.js';
import {
  alerts,
  callback,
  closeAll,
  logged,
  NEVER,
  raised,
  replica,
  start,
  submitted,
  sweep,
} from '../support/alert-steps.js';
import { metricValue } from '../support/metrics.js';
import { eventually, send, type TestGateway } from '../support/gateway.js';

afterEach(closeAll);

const RUNS = { sim: { stuck: 'InProgress', webhook: { send: 'never' } } };

const reconcile = (gateway: TestGateway) =>
  gateway.app.get(ReconcilerService, { strict: false }).sweep();
const kinds = async (gateway: TestGateway) => (await alerts(gateway)).map(({ kind }) => kind);

/** As if so many minutes had gone by since. */
async function later(gateway: TestGateway, minutes: number): Promise<void> {
  await gateway.pool.query(
    `UPDATE alerts SET last_seen_at = last_seen_at - make_interval(mins => $1),
                       expedited_at = expedited_at - make_interval(mins => $1)`,
    [minutes],
  );
}

/** As if nobody had found out for a minute whether these callbacks are genuine. */
async function undecided(gateway: TestGateway): Promise<void> {
  await gateway.pool.query(
    `ALTER TABLE audit_entries DISABLE TRIGGER ALL;
     UPDATE audit_entries SET at = at - interval '61 seconds';
     ALTER TABLE audit_entries ENABLE TRIGGER ALL;
     UPDATE jobs SET created_at = created_at - interval '10 minutes';`,
  );
}

describe('TOKEN_KEYS that were changed without keeping the old key', () => {
  it('raise an alert within seconds, and the jobs still complete', async () => {
    const door = await start({
      ROLES: 'webhooks',
      TOKEN_KEYS: `2:${randomBytes(32).toString('base64')}`,
    });
    const gateway = await replica(door, {
      PUBLIC_URL: door.url,
      TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
      RECONCILE_INTERVAL_SECONDS: '1',
    });
    const ids = await submitted(gateway, {}, 3);
    await eventually('the refusals', async () => {
      await door.app.get(AuditWriter, { strict: false }).flushAudit();
      const { rows } = await door.pool.query('SELECT DISTINCT job_id FROM audit_entries');
      return rows.length === 3 || undefined;
    });
    expect(await sweep(gateway)).toEqual({ raised: 0, closed: 0, expedited: 3 });
    for (const id of ids) {
      expect(await gateway.ended(id)).toMatchObject({
        status: 'completed',
        settledBy: 'reconciler',
      });
    }
    expect((await sweep(gateway)).raised).toBe(0);
    // A callback has ten seconds to arrive after the poll that completed its job.
    await door.pool.query(`UPDATE jobs SET ended_at = ended_at - interval '10 seconds'`);
    expect((await sweep(gateway)).raised).toBe(1);
    const [alert] = await alerts(gateway);
    expect(alert).toMatchObject({ kind: 'token_key', closedAt: null });
    expect(alert?.message).toMatch(/No key in TOKEN_KEYS made the token.*name key 1, which/);
    expect(alert?.advice).toContain('TOKEN_KEYS=<new key>,1:<old key>');
    const line = logged().find((text) => text.includes('"alert raised"'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      level: 'error',
      kind: 'token_key',
      message: alert?.message,
      advice: alert?.advice,
    });
    expect(await metricValue(gateway, 'gateway_alerts_raised_total', { kind: 'token_key' })).toBe(
      1,
    );
    expect(await metricValue(gateway, 'gateway_alerts_open', { kind: 'token_key' })).toBe(1);
    expect(await metricValue(gateway, 'gateway_alerts_open', { kind: 'source_address' })).toBe(0);
  });

  it('raise no alert if the polled jobs are still running, because the callbacks are forged', async () => {
    const gateway = await start();
    const ids = await submitted(gateway, RUNS, 4);
    for (const id of ids) expect(await callback(gateway, id, { token: 'v1.forged' })).toBe(401);
    expect(await sweep(gateway)).toEqual({ raised: 0, closed: 0, expedited: 4 });
    await gateway.pool.query(`UPDATE jobs SET next_check_at = now()`);
    await reconcile(gateway);
    await eventually('the polls', async () => {
      const { rows } = await gateway.pool.query(`SELECT 1 FROM job_events WHERE type = 'polled'`);
      return rows.length === 4 || undefined;
    });
    await undecided(gateway);
    expect((await sweep(gateway)).raised).toBe(0);
    await gateway.pool.query(`DELETE FROM job_events WHERE type = 'polled'`);
    expect((await sweep(gateway)).raised).toBe(1);
  });
});

describe('a source address that is not allowed', () => {
  it('raises an alert if the secret is right, and expedites polls of all waiting jobs', async () => {
    const gateway = await start({
      WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24',
      TRUSTED_PROXIES: '127.0.0.1',
    });
    const [one, two, unheard] = await submitted(gateway, NEVER, 3);
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    for (const id of [one, two]) {
      expect(await callback(gateway, id ?? '', { headers })).toBe(403);
    }
    expect(await sweep(gateway)).toEqual({ raised: 1, closed: 0, expedited: 3 });
    const [alert] = await alerts(gateway);
    expect(alert?.kind).toBe('source_address');
    expect(alert?.message).toContain(
      'WEBHOOK_IP_ALLOWLIST does not contain the address of the sender. They come from 198.51.100.7.',
    );
    expect(alert?.advice).toContain('TRUSTED_PROXIES');
    expect(alert?.evidence).toMatchObject({ refusals: 2, jobs: 2, accepted: 0, waitingJobs: 3 });
    await eventually('the end of the one without a callback', async () => {
      await reconcile(gateway);
      const { body } = await gateway.call('GET', `/v1/jobs/${unheard}`);
      return body.status === 'completed' || undefined;
    });
  });
});

describe('bodies that a proxy has rewritten', () => {
  it('raise an alert by the job ids in their text', async () => {
    const gateway = await start();
    for (const id of await submitted(gateway, NEVER, 3)) {
      const body = JSON.stringify({ status: 'Completed', metadata: { gateway_job_id: id } });
      const headers = { 'content-type': 'text/plain' };
      expect((await send(`${gateway.url}/webhooks/reducto`, 'POST', body, headers)).status).toBe(
        415,
      );
    }
    await sweep(gateway);
    await undecided(gateway);
    await sweep(gateway);
    expect(await kinds(gateway)).toEqual(['form']);
    expect((await alerts(gateway))[0]?.message).toContain('application/json');
  });
});

describe('forged callbacks', () => {
  it('raise the alert "attack" during a flood while genuine callbacks are accepted', async () => {
    const gateway = await start({ AUDIT_ENTRIES_PER_MINUTE: '50' });
    const waiting = await submitted(gateway, RUNS, 3);
    for (const id of await submitted(gateway, NEVER, 5)) {
      expect(await callback(gateway, id, { token: 'v1.forged' })).toBe(401);
      expect(await callback(gateway, id)).toBe(200);
    }
    const nonsense = [
      { status: 'Completed', job_id: randomUUID() },
      'no json',
      { status: 'Completed', job_id: 'x', metadata: { gateway_job_id: randomUUID(), token: 'x' } },
    ];
    for (let sent = 0; sent < 400; sent += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          send(`${gateway.url}/webhooks/reducto`, 'POST', nonsense[(sent + n) % 3]),
        ),
      );
    }
    await gateway.pool.query(`ALTER TABLE audit_entries DISABLE TRIGGER ALL`);
    expect(await sweep(gateway)).toEqual({ raised: 1, closed: 0, expedited: 0 });
    await undecided(gateway);
    expect((await sweep(gateway)).raised).toBe(0);
    expect(await kinds(gateway)).toEqual(['attack']);
    expect((await alerts(gateway))[0]?.message).toMatch(/^Forged .* 405 were refused and 5 acc/);
    expect(logged().join('')).not.toMatch(/"level":"error".*alert raised/);
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS n FROM jobs WHERE id = ANY ($1) AND next_check_at > now() + interval '30 min'`,
      [waiting],
    );
    expect(rows[0].n).toBe(3);
  });
});

describe('an alert', () => {
  it('is raised once by many sweeps of many processes', async () => {
    const gateway = await raised();
    const other = await replica(gateway);
    await gateway.app.get(AuditWriter, { strict: false }).flushAudit();
    const counts = await Promise.all([gateway, other, gateway, other, other].map(sweep));
    expect(counts.map((count) => count.raised).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 1]);
    expect(counts.filter(({ expedited: hurried }) => hurried > 0)).toHaveLength(1);
    expect(await alerts(other)).toEqual(await alerts(gateway));
    expect(await kinds(gateway)).toEqual(['source_address']);
  });

  it('expedites polls of all waiting jobs once a minute while it is open', async () => {
    const gateway = await raised();
    const [unheard, watched] = await submitted(gateway, NEVER, 2);
    const due = async (): Promise<unknown[]> => {
      const { rows } = await gateway.pool.query(
        `SELECT id FROM jobs WHERE next_check_at < now() + interval '5 s' AND id = ANY ($1)`,
        [[unheard, watched]],
      );
      return rows;
    };
    await sweep(gateway);
    expect(await due()).toHaveLength(2);
    await gateway.pool.query(`UPDATE jobs SET next_check_at = now() + interval '1 hour'`);
    await sweep(gateway);
    expect(await due()).toEqual([]);
    await later(gateway, 1);
    await gateway.pool.query('UPDATE jobs SET lease = gen_random_uuid() WHERE id = $1', [watched]);
    await sweep(gateway);
    expect(await due()).toEqual([{ id: unheard }]);
  });

  it('closes some minutes after the last refusal once callbacks are accepted, and can come back', async () => {
    const gateway = await raised({ RECONCILE_INTERVAL_SECONDS: '1' });
    const mended = await replica(gateway, { WEBHOOK_IP_ALLOWLIST: '' });
    await sweep(gateway);
    const [id = ''] = await submitted(gateway, NEVER, 1);
    expect(await callback(gateway, id, { to: mended })).toBe(200);
    expect((await sweep(gateway)).closed).toBe(0);
    await later(gateway, 6);
    // The evidence lies in the audit, so the alert would be seen again: as if that were old as well.
    await gateway.pool.query(
      `ALTER TABLE audit_entries DISABLE TRIGGER ALL;
       UPDATE jobs SET created_at = created_at - interval '10 min';
       UPDATE audit_entries SET at = at - interval '6 min'`,
    );
    const counts = await Promise.all([sweep(gateway), sweep(mended)]);
    expect(counts.reduce((sum, { closed }) => sum + closed, 0)).toBe(1);
    expect((await alerts(gateway))[0]?.closedAt).toBeInstanceOf(Date);
    expect(await gateway.app.get(AlertQueries, { strict: false }).openAlerts()).toEqual([]);
    expect(logged().join('')).toMatch(/"kind":"source_address".*"msg":"alert closed"/);
    expect(await metricValue(gateway, 'gateway_alerts_open', { kind: 'source_address' })).toBe(0);
    expect((await sweep(gateway)).raised).toBe(0);

    for (const again of await submitted(gateway, NEVER, 2)) await callback(gateway, again);
    expect((await sweep(gateway)).raised).toBe(1);
    expect(await kinds(gateway)).toEqual(['source_address', 'source_address']);
  });

  it('says that it seems fixed after a restart with settings that accept its evidence', async () => {
    const gateway = await raised();
    await sweep(gateway);
    expect((await alerts(gateway))[0]).toMatchObject({ kind: 'source_address', fixedSince: null });
    const mended = await replica(gateway, { WEBHOOK_IP_ALLOWLIST: '' });
    await sweep(mended);
    await sweep(mended);
    const [alert] = await alerts(mended);
    expect(alert?.fixedSince).toBeInstanceOf(Date);
    expect(alert?.advice).toMatch(
      /^Seems fixed since \d\d:\d\d UTC, waiting for a genuine callback\.$/,
    );
    expect(logged().filter((line) => line.includes('"alert seems fixed"'))).toHaveLength(1);
  });

  it('gives its advice again, unacknowledged, when newer evidence fails', async () => {
    const gateway = await raised();
    await sweep(gateway);
    const [before] = await alerts(gateway);
    const mended = await replica(gateway, { WEBHOOK_IP_ALLOWLIST: '' });
    await sweep(mended);
    await gateway.pool.query(`UPDATE alerts SET acknowledged_at = now(), acknowledged_by = 'ops'`);
    for (const id of await submitted(gateway, NEVER, 2)) await callback(gateway, id);
    await gateway.app.get(AuditWriter, { strict: false }).flushAudit();
    await sweep(mended);
    const [alert] = await alerts(mended);
    expect(alert).toMatchObject({ fixedSince: null, acknowledgedAt: null });
    expect(alert?.advice.slice(0, 30)).toBe(before?.advice.slice(0, 30));
    expect(logged().filter((line) => line.includes('"alert is not fixed"'))).toHaveLength(1);
  });

  it('closes after an hour without callbacks', async () => {
    const gateway = await raised();
    await sweep(gateway);
    await gateway.pool.query(
      `ALTER TABLE audit_entries DISABLE TRIGGER ALL;
       UPDATE jobs SET created_at = created_at - interval '2 h';
       UPDATE audit_entries SET at = at - interval '61 min'`,
    );
    await later(gateway, 55);
    expect((await sweep(gateway)).closed).toBe(0);
    await later(gateway, 6);
    expect((await sweep(gateway)).closed).toBe(1);
  });
});
