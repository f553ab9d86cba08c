import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consoleUser, tokenKeysOf, upstreamId, type ConsoleUser } from '../support/console.js';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';

/* The list of refused callbacks, and the page of one. */

const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };
const SILENT = { sim: { webhook: { send: 'never' } } };

let gateway: TestGateway;
let user: ConsoleUser;

beforeAll(async () => {
  gateway = await startGateway({ ...QUIET, AUDIT_ENTRIES_PER_MINUTE: '1000' });
  user = await consoleUser(gateway);
});
afterAll(() => gateway.close());

interface Callback {
  readonly jobId: string;
  readonly upstream: string;
  readonly token: string;
}

function callBack({ jobId, upstream, token }: Callback, url = gateway.url): Promise<Answer> {
  const metadata = { gateway_job_id: jobId, token };
  const callback = { status: 'Completed', job_id: upstream, metadata };
  return send(`${url}/webhooks/reducto`, 'POST', callback);
}

async function silentJob(): Promise<Callback> {
  const jobId = await gateway.submit(SILENT);
  return {
    jobId,
    upstream: await upstreamId(gateway, jobId),
    token: gateway.tokens.signJobId(jobId),
  };
}

async function page(path: string): Promise<string> {
  return String((await user.get(path)).body);
}

/** What a page shows, without tags. */
function textOf(html: string): string {
  return html
    .replaceAll(/<script.*?<\/script>|<[^>]+>/gs, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll(/\s+/g, ' ');
}

function rowsOf(html: string): string[] {
  return (/<tbody.*<\/tbody>/s.exec(html)?.[0] ?? '').split('<tr').slice(1);
}

describe('the list of refusals', () => {
  it('groups the repeats of one callback in one row with their number and the first time', async () => {
    const job = await silentJob();
    const wrong = { ...job, token: 'v1.wrong' };
    for (let n = 0; n < 4; n++) await callBack(wrong);
    await callBack({ ...wrong, upstream: 'different' });
    const rows = rowsOf(await page(`/admin/refusals?job=${job.jobId}`));
    expect(rows).toHaveLength(2);
    const repeated = rows.find((row) => row.includes('4 times')) ?? '';
    const { rows: times } = await gateway.pool.query(
      `SELECT min(at) AS first FROM audit_entries WHERE job_id = $1 AND cause = 'token_invalid'`,
      [job.jobId],
    );
    expect(repeated).toContain(times[0].first.toISOString());
  });

  it('lists the repeats of one callback page by page', async () => {
    const job = await silentJob();
    for (let n = 0; n < 53; n++) await callBack({ ...job, upstream: 'another' });
    await callBack({ ...job, upstream: 'yet-another' });
    const list = await page(`/admin/refusals?cause=upstream_id_mismatch&job=${job.jobId}`);
    const [, id = ''] = /repeatsOf=(\d+)/.exec(list) ?? [];
    const path = `/admin/refusals?repeatsOf=${id}`;
    const first = await page(path);
    expect(rowsOf(first)).toHaveLength(50);
    expect(textOf(first)).toContain('Refused 53');
    const [, cursor = ''] = /cursor=(\d+)/.exec(first) ?? [];
    expect(rowsOf(await page(`${path}&cursor=${cursor}`))).toHaveLength(3);
  });

  it('re-checks only the displayed repeats', async () => {
    const job = await silentJob();
    for (let n = 0; n < 3; n++) await callBack({ ...job, upstream: 'third' });
    await callBack({ ...job, upstream: 'fourth' });
    const list = await page('/admin/refusals?job=third');
    const [, id = ''] = /repeatsOf=(\d+)/.exec(list) ?? [];
    const text = textOf(await page(`/admin/refusals/recheck?repeatsOf=${id}`));
    expect(text).toContain('Re-checked 3');
  });

  it('returns 404 for the repeats of an unknown refusal', async () => {
    expect((await user.get('/admin/refusals?repeatsOf=999999')).status).toBe(404);
  });

  it('does not group summary entries of several refusals', async () => {
    const other = await startGateway({ ...QUIET, AUDIT_ENTRIES_PER_MINUTE: '1' });
    try {
      const admin = await consoleUser(other);
      for (let n = 0; n < 2; n++) {
        for (let m = 0; m < 3; m++) await send(`${other.url}/webhooks/reducto`, 'POST', '{');
        await admin.get('/admin/refusals');
      }
      const html = String((await admin.get('/admin/refusals')).body);
      expect(rowsOf(html).filter((row) => row.includes('counted'))).toHaveLength(2);
    } finally {
      await other.close();
    }
  });

  it('shows every group exactly once across the pages of a large audit', async () => {
    const many = await startGateway(QUIET);
    try {
      await many.pool.query(
        `INSERT INTO audit_entries (id, at, kind, data, key_id, hash)
         SELECT n, timestamptz '2026-01-01' + n * interval '1 s', 'refused',
                jsonb_build_object('cause', 'token_invalid', 'guard', 'secret',
                  'clientAddress', '10.0.0.' || n % 120), '1', '\\x00'
           FROM generate_series(100001, 102500) AS n`,
      );
      const admin = await consoleUser(many);
      const seen = new Map<string, number>();
      let path: string | undefined = '/admin/refusals?to=2026-02-01';
      for (let pages = 0; path !== undefined && pages < 20; pages++) {
        const html: string = String((await admin.get(path)).body);
        for (const row of rowsOf(html)) {
          const [, address = ''] = />(10\.0\.0\.\d+)</.exec(row) ?? [];
          const [, times = '1'] = />(\d+)<?[^<]* times</.exec(row) ?? [];
          seen.set(address, (seen.get(address) ?? 0) + Number(times));
        }
        path = /<a href="([^"]+)" rel="next"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
      }
      expect(seen.size).toBe(120);
      expect([...seen.values()].reduce((sum, times) => sum + times, 0)).toBe(2500);
    } finally {
      await many.close();
    }
  });
});

describe('the page of a refusal', () => {
  async function shown(job: string): Promise<string> {
    const list = await page(`/admin/refusals?job=${encodeURIComponent(job)}`);
    const [, path = ''] = /href="(\/admin\/refusals\/\d+)"/.exec(list) ?? [];
    return page(path);
  }

  it('shows the expected and the received upstream id with the job of the received one', async () => {
    const [job, other] = [await silentJob(), await silentJob()];
    await callBack({ ...job, upstream: other.upstream });
    const text = textOf(await shown(other.upstream));
    expect(text).toContain(
      `Upstream ID ${job.upstream} ${other.upstream} , the upstream ID of ${other.jobId}`,
    );
  });

  it('distinguishes a token for another job from a missing key, and shows no token', async () => {
    const [job, other] = [await silentJob(), await silentJob()];
    await callBack({ ...job, token: other.token });
    const html = await shown(job.jobId);
    expect(textOf(html)).toContain(`the token of job ${job.jobId}, by key 1 of TOKEN_KEYS`);
    expect(textOf(html)).toContain('names key 1, but does not fit this job');
    for (const token of [job.token, other.token]) {
      expect(html).not.toContain(token);
      expect(html).not.toContain(token.slice(3));
    }
  });

  it('names the key version of a token that TOKEN_KEYS does not contain', async () => {
    const job = await silentJob();
    await callBack({ ...job, token: job.token.replace('v1.', 'v7.') });
    expect(textOf(await shown(job.jobId))).toContain(
      'a token that names key 7, which TOKEN_KEYS does not hold',
    );
  });

  it('shows the allowlist beside the address that it does not contain', async () => {
    const job = await silentJob();
    const strict = await startGateway({
      ...QUIET,
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
      TOKEN_KEYS: tokenKeysOf(gateway),
      WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24,198.51.100.7',
    });
    try {
      await callBack(job, strict.url);
      const admin = await consoleUser(strict);
      const list = String((await admin.get(`/admin/refusals?job=${job.jobId}`)).body);
      const [, path = ''] = /href="(\/admin\/refusals\/\d+)"/.exec(list) ?? [];
      const html = String((await admin.get(path)).body);
      expect(textOf(html)).toContain(
        '203.0.113.0/24, 198.51.100.7 (WEBHOOK_IP_ALLOWLIST) 127.0.0.1',
      );
    } finally {
      await strict.close();
    }
  });

  it('compares expected and received values for every failed check', async () => {
    const job = await silentJob();
    const strict = await startGateway({
      ...QUIET,
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
      TOKEN_KEYS: `2:${randomBytes(32).toString('base64')}`,
      WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24',
    });
    try {
      await callBack(job, strict.url);
    } finally {
      await strict.close();
    }
    const text = textOf(await shown(job.jobId));
    expect(text).toContain('Source address');
    expect(text).toContain('a token that names key 1');
  });

  it('has copy buttons for its id, the ids in the callback, and the body hash', async () => {
    const job = await silentJob();
    await callBack({ ...job, token: 'v1.no' });
    const html = await shown(job.jobId);
    const copied = [...html.matchAll(/<span data-copy[^>]*>(.*?)<\/span>/gs)].map(([, inner]) =>
      textOf(inner ?? '').trim(),
    );
    expect(copied).toEqual(expect.arrayContaining([job.jobId, job.upstream]));
    expect(copied.some((text) => /^[0-9a-f]{64}$/.test(text))).toBe(true);
  });
});
