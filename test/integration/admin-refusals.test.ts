import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';

/* Refused callbacks in the admin API: reading, re-check, accept, and export. */

const OLD_KEY = randomBytes(32).toString('base64');
const NEW_KEY = randomBytes(32).toString('base64');
const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };

let gateway: TestGateway;
let admin: Record<string, string>;

beforeAll(async () => {
  gateway = await startGateway({ ...QUIET, TOKEN_KEYS: `1:${OLD_KEY}` });
  admin = { authorization: `Bearer ${await gateway.newKey('platform', ['admin'])}` };
});
afterAll(() => gateway.close());

const ask = (path: string, method = 'GET', body?: unknown, to = gateway) =>
  send(`${to.url}/v1/admin/${path}`, method, body, admin);

/** A job whose callback is sent by hand. */
async function waitingJob(): Promise<{ id: string; callback: Record<string, unknown> }> {
  const id = await gateway.submit({ sim: { webhook: { send: 'never' } } });
  const upstream = await eventually('an upstream id', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT upstream_id FROM jobs WHERE id = $1 AND status = 'submitted'`,
      [id],
    );
    return rows[0]?.upstream_id as string | undefined;
  });
  const metadata = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
  return { id, callback: { status: 'Completed', job_id: upstream, metadata } };
}
const post = (body: unknown, headers: Record<string, string> = {}, to = gateway) =>
  send(`${to.url}/webhooks/reducto`, 'POST', body, headers);

describe('the record of a refusal', () => {
  it('shows the request, its sender, and the verdict of every guard, without secrets', async () => {
    const { id, callback } = await waitingJob();
    const token = `v1.${'x'.repeat(43)}`;
    const metadata = { gateway_job_id: id, token, note: 'rgw_' + 'k'.repeat(43) };
    const answer = await post(
      { ...callback, metadata, result: 'what the document says' },
      {
        authorization: 'Bearer secret-of-theirs',
        cookie: 'session=1234',
        'x-forwarded-for': '10.1.2.3, 198.51.100.9',
      },
    );
    const { body } = await ask(`refusals?job=${id}`);
    expect(body.refusals).toHaveLength(1);
    const [refusal] = body.refusals;
    expect(refusal).toMatchObject({
      kind: 'refused',
      cause: 'token_invalid',
      guard: 'secret',
      status: 401,
      verdicts: {
        source_ip: { result: 'pass' },
        well_formed: { result: 'pass' },
        secret: { result: 'fail', cause: 'token_invalid', detail: 'token key 1' },
        job_id: { result: 'not_checked' },
      },
      peerAddress: '127.0.0.1',
      clientAddress: '127.0.0.1',
      forwardedFor: '10.1.2.3, 198.51.100.9',
      assertedJobId: id,
      jobId: id,
      assertedUpstreamId: callback['job_id'],
      method: 'POST',
      path: '/webhooks/reducto',
      recheckable: true,
      bodyComplete: true,
    });
    expect(refusal.bodySha256).toMatch(/^[0-9a-f]{64}$/);
    expect(refusal.requestId).toBe(answer.headers.get('x-request-id') ?? refusal.requestId);
    const whole = JSON.stringify(await ask(`refusals/${refusal.id}`));
    for (const secret of [token, 'secret-of-theirs', 'session=1234', 'rgw_k', 'the document says'])
      expect(whole).not.toContain(secret);
    const { rows } = await gateway.pool.query(
      `SELECT data::text AS data FROM audit_entries UNION ALL SELECT encode(sealed, 'escape') FROM audit_originals`,
    );
    for (const row of rows) expect(row.data).not.toContain(token);
  });

  it('redacts secret fields in the request id, in X-Forwarded-For, and in the job that the callback names', async () => {
    const secret = `password=${'c'.repeat(20)}`;
    const metadata = { gateway_job_id: secret, token: `v1.${'x'.repeat(43)}` };
    await post(
      { status: 'Completed', job_id: 'of-secret-fields', metadata },
      { 'x-request-id': secret, 'x-forwarded-for': secret },
    );
    const refusals = await eventually('the refusal', async () => {
      const text = JSON.stringify((await ask('refusals')).body);
      return text.includes('of-secret-fields') ? text : undefined;
    });
    expect(refusals).not.toContain('c'.repeat(8));
  });

  it.each([
    ['no JSON', '{"status":', {}, 'not_json'],
    ['another type', 'x', { 'content-type': 'text/plain' }, 'wrong_content_type'],
    ['too large', JSON.stringify({ pad: 'x'.repeat(70_000) }), {}, 'too_large'],
  ])('is kept of a request that is not a callback: %s', async (_, body, headers, cause) => {
    const before = (await ask(`refusals/summary?cause=${cause}`)).body.total;
    await post(body, { 'content-type': 'application/json', ...headers });
    expect((await ask(`refusals/summary?cause=${cause}`)).body.total).toBe(before + 1);
  });

  it('is kept of a wrong method', async () => {
    await send(`${gateway.url}/webhooks/reducto`, 'GET');
    expect((await ask('refusals?cause=wrong_method')).body.refusals[0]).toMatchObject({
      method: 'GET',
      status: 405,
    });
  });

  it('records untrusted text with control characters and markup', async () => {
    const texts = ['\u0000', '\ud800', '\u202e', '\r\nforged line', '<script>alert(1)</script>'];
    const { id } = await waitingJob();
    for (const text of texts) {
      const metadata = { gateway_job_id: `${id}${text}`, token: text };
      await post(JSON.stringify({ status: text, job_id: 'u', metadata }), {
        'content-type': 'application/json',
      });
    }
    const { body } = await ask('refusals?cause=token_invalid');
    const assertedIds = body.refusals.map(
      (refusal: { assertedJobId: string }) => refusal.assertedJobId,
    );
    expect(assertedIds.length).toBeGreaterThanOrEqual(texts.length);
    // oxlint-disable-next-line no-control-regex -- exactly these must not be there
    expect(JSON.stringify(assertedIds)).not.toMatch(/[\u0000-\u001f\u202e]/);
    expect((await ask('audit/verify')).body.ok).toBe(true);
  });
});

describe('a secret rotation done wrong', () => {
  it('is repaired by re-check and accept', async () => {
    const jobs = [await waitingJob(), await waitingJob(), await waitingJob()];
    const ids = jobs.map(({ id }) => id);
    // The new key without the old one: callbacks of open jobs are refused.
    const wrong = await startGateway({
      ...QUIET,
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
      REDUCTO_BASE_URL: gateway.settings.REDUCTO_BASE_URL.href,
      TOKEN_KEYS: `2:${NEW_KEY}`,
      ROLES: 'api,webhooks',
    });
    try {
      const from = new Date(Date.now() - 60_000).toISOString();
      for (const { callback } of jobs) expect((await post(callback, {}, wrong)).status).toBe(401);
      await post(
        {
          status: 'Completed',
          job_id: 'forged',
          metadata: { gateway_job_id: ids[0], token: 'v1.no' },
        },
        {},
        wrong,
      );
      const mine = `refusals/recheck?cause=token_invalid&from=${from}&job=`;
      const still = await ask(`${mine}${ids[0]}`, 'POST', undefined, wrong);
      expect(still.body).toMatchObject({ checked: 2, wouldPass: 0, stillRefusedBy: { secret: 2 } });
    } finally {
      await wrong.close();
    }
    // This gateway has the old key, as after a repair.
    const { body: dry } = await ask('refusals/recheck', 'POST', { cause: 'token_invalid' });
    expect(dry.jobs.toSorted()).toEqual(expect.arrayContaining(ids.toSorted()));
    expect(dry).toMatchObject({ wouldPass: 3, jobsTotal: 3, jobsOpen: 3, complete: true });
    expect((await gateway.call('GET', `/v1/jobs/${ids[0]}`)).body.status).toBe('submitted');

    const { body: done } = await ask('refusals/accept', 'POST', { cause: 'token_invalid' });
    expect(done).toMatchObject({ wouldPass: 3, polling: 3 });
    for (const id of ids) expect((await gateway.ended(id)).status).toBe('completed');
    const { body: actions } = await ask('actions');
    expect(actions.actions.slice(0, 2)).toMatchObject([
      {
        action: 'refusals.accept',
        actor: { service: 'platform', via: 'api' },
        detail: { jobs: 3 },
      },
      { action: 'refusals.recheck' },
    ]);
    const again = await ask('refusals/accept', 'POST', { cause: 'token_invalid' });
    expect(again.body).toMatchObject({ wouldPass: 3, polling: 0 });
  });
});

describe('the list', () => {
  it('turns pages without missing or repeating any, and filters', async () => {
    for (let n = 0; n < 7; n++) await post({ status: 'Completed', job_id: `page-${n}` });
    const { total } = (await ask('refusals/summary?cause=token_missing')).body;
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await ask(`refusals?cause=token_missing&limit=3${cursor}`);
      seen.push(...body.refusals.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
    } while (cursor !== '');
    expect(seen).toHaveLength(total);
    expect(new Set(seen).size).toBe(total);
    expect(seen).toEqual(seen.toSorted((one, other) => Number(other) - Number(one)));
    expect((await ask('refusals?job=page-3')).body.refusals).toHaveLength(1);
    expect((await ask('refusals?address=203.0.113.1')).body.refusals).toEqual([]);
    expect((await ask('refusals?guard=job_id')).body.refusals).toEqual([]);
    const future = new Date(Date.now() + 60_000).toISOString();
    expect((await ask(`refusals/summary?from=${future}`)).body.total).toBe(0);
  });

  it.each(['cause=nonsense', 'from=yesterday', 'cursor=x', 'limit=0', 'guard=x', 'other=1'])(
    'refuses %s',
    async (query) => {
      expect((await ask(`refusals?${query}`)).body).toMatchObject({ code: 'invalid_query' });
    },
  );

  it('is for admins alone', async () => {
    for (const path of [
      'refusals',
      'refusals/summary',
      'refusals/1',
      'refusals/export',
      'audit/verify',
      'actions',
    ]) {
      expect((await gateway.call('GET', `/v1/admin/${path}`)).status).toBe(403);
      expect((await send(`${gateway.url}/v1/admin/${path}`, 'GET')).status).toBe(401);
    }
    expect((await gateway.call('POST', '/v1/admin/refusals/accept')).status).toBe(403);
  });

  it('answers refusal_not_found for an unknown id', async () => {
    for (const id of ['999999999', 'x', '1e3'])
      expect((await ask(`refusals/${id}`)).body.code).toBe('refusal_not_found');
  });
});

describe('an export', () => {
  it('as CSV defuses formulas and keeps its columns', async () => {
    const formula = '=HYPERLINK("http://evil","x")';
    await post({
      status: 'Completed',
      job_id: 'csv',
      metadata: { gateway_job_id: formula, token: 'x' },
    });
    const { headers, body } = await ask('refusals/export?format=csv');
    expect(headers.get('content-type')).toContain('text/csv');
    const lines = String(body).trim().split('\r\n');
    expect(lines[0]).toMatch(/^id,at,kind,cause,guard/);
    expect(lines.length - 1).toBe((await countOf()).entries);
    expect(String(body)).toContain(`'=hyperlink`);
    expect(String(body)).not.toMatch(/(^|,)"?=/m);
  });

  it('as JSON is one document with all refusals', async () => {
    const { body } = await ask('refusals/export?format=json');
    expect(body.refusals).toHaveLength((await countOf()).entries);
  });

  async function countOf(): Promise<{ entries: number }> {
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS entries FROM audit_entries WHERE kind <> 'action'`,
    );
    return rows[0];
  }
});

it('lists an accepted callback that a guard in observe mode would have refused', async () => {
  const observing = await startGateway({
    ...QUIET,
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    REDUCTO_BASE_URL: gateway.settings.REDUCTO_BASE_URL.href,
    TOKEN_KEYS: `1:${OLD_KEY}`,
    WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24',
    GUARD_SOURCE_IP: 'observe',
    ROLES: 'api,webhooks',
  });
  try {
    const { id, callback } = await waitingJob();
    expect((await post(callback, {}, observing)).status).toBe(200);
    const { body } = await ask(`refusals?job=${id}`, 'GET', undefined, observing);
    expect(body.refusals).toMatchObject([
      {
        kind: 'observed',
        cause: 'address_not_allowed',
        jobId: id,
        status: 200,
        verdicts: { source_ip: { result: 'observed' }, secret: { result: 'pass' } },
      },
    ]);
  } finally {
    await observing.close();
  }
});
