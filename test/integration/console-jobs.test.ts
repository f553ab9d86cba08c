import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobsAdminService } from '../../src/jobs/jobs-admin.service.js';
import { consoleUser, upstreamId, type ConsoleUser } from '../support/console.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';

/* What the console shows of jobs: how they ended, which ones, and everything about one. */

const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };
const SILENT = { webhook: { send: 'never' } };

let gateway: TestGateway;
let user: ConsoleUser;
let key: string;

beforeAll(async () => {
  gateway = await startGateway(QUIET);
  key = await gateway.newKey('platform', ['admin']);
  user = await consoleUser(gateway, key);
});
afterAll(() => gateway.close());

const page = async (path: string): Promise<string> => String((await user.get(path)).body);
const unescape = (text: string): string => text.replaceAll('&amp;', '&');
const idsIn = (html: string): string[] =>
  [...html.matchAll(/href="\/admin\/jobs\/([\w-]{36})"/g)].map(([, id = '']) => id);
const totalIn = (html: string): string =>
  /class="total"[^>]*><b>([^<]+)<\/b>/.exec(html)?.[1] ?? 'none';

describe('the overview of ended jobs', () => {
  interface Link {
    path: string;
    number: string;
  }
  let html: string;
  let links: Link[];

  beforeAll(async () => {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, status, settled_by, error, created_at, ended_at)
       SELECT uuidv7(), 'scanner', 'parse', status, 'reconciler',
              CASE WHEN code IS NOT NULL THEN jsonb_build_object('code', code, 'message', 'why', 'retryable', false) END,
              now() - interval '10 min', now() - interval '5 min'
         FROM (VALUES ('completed', NULL, 7), ('failed', 'failed_upstream', 3), ('failed', 'rejected_upstream', 1),
                      ('expired', 'max_age_exceeded', 2), ('cancelled', 'cancelled', 1)) AS made (status, code, times),
              generate_series(1, times)`,
    );
    await gateway.ended(await gateway.submit());
    html = await page('/admin?range=24h');
    links = [...html.matchAll(/<a href="(\/admin\/jobs\?[^"]*time=ended[^"]*)">(.*?)<\/a>/g)].map(
      ([, path = '', text = '']) => ({ path: unescape(path), number: /\d+/.exec(text)?.[0] ?? '' }),
    );
  });

  it('shows the failed and expired jobs with their share', () => {
    expect(html).toMatch(/Failed or expired<\/h2><p class="value"><a [^>]*>6<\/a>/);
    expect(html).toContain('40 % of 15 ended jobs');
  });

  it('links each number to a list of the same number of jobs', async () => {
    const numbers = links.filter(({ number }) => number !== '');
    expect(numbers.length).toBeGreaterThanOrEqual(6);
    for (const { path, number } of numbers) {
      const list = await page(path);
      expect([path, totalIn(list)]).toEqual([path, number]);
      expect(idsIn(list)).toHaveLength(Number(number));
    }
  });

  it('links each reason to its jobs, the most frequent reason first', async () => {
    const rows = [...html.matchAll(/<tr role="row"><th[^>]*><a href="([^"]+)">.*?<\/tr>/g)];
    const reasons = rows.filter(([row]) => row.includes('data-head="Reason"'));
    const counted = await Promise.all(
      reasons.map(async ([row, path = '']) => ({
        code: /code=(\w+)/.exec(path)?.[1],
        count: /data-head="Jobs"[^>]*>(\d+)</.exec(row)?.[1],
        listed: totalIn(await page(unescape(path))),
      })),
    );
    expect(counted).toEqual([
      { code: 'failed_upstream', count: '3', listed: '3' },
      { code: 'max_age_exceeded', count: '2', listed: '2' },
      { code: 'rejected_upstream', count: '1', listed: '1' },
    ]);
  });

  it('shows numbers by settledBy that add up to all ended jobs', () => {
    const said = /of 15: ([^<]+)</.exec(html)?.[1] ?? '';
    const numbers = [...said.matchAll(/(\d+) /g)].map(([, number]) => Number(number));
    expect(numbers.reduce((sum, number) => sum + number, 0)).toBe(15);
  });

  it('shows its period in UTC', () => {
    expect(html).toMatch(/From <time.*?UTC.*?to <time.*?UTC/);
  });
});

describe('the list of jobs', () => {
  it('shows why a job failed', async () => {
    const id = await gateway.submit({ sim: { outcome: 'fail' } });
    const { error } = await gateway.ended(id);
    const html = await page(`/admin/jobs?id=${id}`);
    expect(html).toContain(error.code);
    expect(html).toContain(error.message.slice(0, 40));
  });

  it.each([
    ['the gateway’s id', (id: string) => id.slice(0, 20)],
    ['the gateway’s id in capitals', (id: string) => id.slice(0, 20).toUpperCase()],
    ['the gateway’s id without dashes', (id: string) => id.replaceAll('-', '').slice(0, 22)],
  ])('finds a job by the beginning of %s', async (_, beginning) => {
    const id = await gateway.submit();
    expect(idsIn(await page(`/admin/jobs?id=${beginning(id)}`))).toContain(id);
    expect(
      idsIn(await page(`/admin/jobs?id=${beginning(id).slice(0, -1)}f&service=other`)),
    ).toEqual([]);
  });

  it('finds a job by the beginning of Reducto’s id', async () => {
    const id = await gateway.submit({ sim: { stuck: 'InProgress', ...SILENT } });
    const upstream = await upstreamId(gateway, id);
    expect(idsIn(await page(`/admin/jobs?id=${upstream.slice(0, 9)}`))).toEqual([id]);
  });

  it.each(['%25', '_', '\\', '%27'])('matches %s in an id literally', async (id) => {
    expect(totalIn(await page(`/admin/jobs?id=${encodeURIComponent(id)}`))).toBe('0');
  });

  it('offers the services that have jobs', async () => {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type) VALUES (uuidv7(), 'mailroom', 'parse')`,
    );
    const html = await page('/admin/jobs');
    expect(html).toMatch(/<option value="invoices">/);
    expect(html).toMatch(/<option value="mailroom">/);
    expect(html).not.toMatch(/<option value="platform">/);
  });

  it('filters by both ends of the acceptance time', async () => {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, created_at)
       SELECT uuidv7(), 'yearly', 'parse', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 h'
         FROM generate_series(0, 9) AS n`,
    );
    const period = 'from=2026-01-01T02:00&to=2026-01-01T05:00';
    const html = await page(`/admin/jobs?service=yearly&${period}`);
    expect(totalIn(html)).toBe('3');
    expect(html).toContain('name="from" step="0.001" value="2026-01-01T02:00:00"');
  });

  it('names the invalid field of a search', async () => {
    const { status, body } = await user.get('/admin/jobs?from=yesterday&code=nothing');
    expect(status).toBe(422);
    expect(body).toContain('“From” is not a date with a time.');
    expect(body).toContain('There is no such reason.');
  });

  it('pages by end time if the search filters by end time', async () => {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, status, ended_at)
       SELECT uuidv7(), 'paged', 'parse', 'completed', '2026-02-01T00:00:00Z'::timestamptz + (n / 7) * interval '1 s'
         FROM generate_series(1, 120) AS n`,
    );
    const seen: string[] = [];
    let path: string | undefined = '/admin/jobs?service=paged&time=ended&from=2026-01-01';
    while (path !== undefined) {
      const html = await page(path);
      seen.push(...idsIn(html));
      path = /href="([^"]+)" rel="next"/.exec(html)?.[1];
      if (path !== undefined) path = unescape(path);
    }
    expect([seen.length, new Set(seen).size]).toEqual([120, 120]);
  });

  it('stops counting at 10,000', async () => {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type) SELECT uuidv7(), 'many', 'split' FROM generate_series(1, 10100)`,
    );
    expect(totalIn(await page('/admin/jobs?service=many'))).toBe('10\u202f000+');
    await gateway.pool.query(`DELETE FROM jobs WHERE service = 'many'`);
  });

  it('returns the same jobs as the API with the same filters', async () => {
    const query = 'status=unsuccessful&code=max_age_exceeded&endedFrom=2026-01-01';
    const { body } = await gateway.call('GET', `/v1/admin/jobs?${query}`, undefined, {
      authorization: `Bearer ${key}`,
    });
    const { count } = await gateway.app
      .get(JobsAdminService, { strict: false })
      .count({ status: 'unsuccessful', code: 'max_age_exceeded' });
    expect(body.jobs).toHaveLength(count);
  });
});

describe('the page of a job', () => {
  it('shows the events to the millisecond with the duration of each step', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const html = await page(`/admin/jobs/${id}`);
    expect(html).toMatch(/<span class="clock">\d\d:\d\d:\d\d\.\d{3}<\/span>/);
    expect(html).toMatch(/data-head="Step took"[^>]*>\d+ ms</);
  });

  it('shows the size and the page count of the result', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const result = await gateway.call('GET', `/v1/jobs/${id}/result`);
    const html = await page(`/admin/jobs/${id}`);
    expect(html).toMatch(/JSON, [\d.]+ (bytes|KB)/);
    const { num_pages: pages } = result.body.usage;
    expect(html).toContain(`, ${pages} ${pages === 1 ? 'page' : 'pages'}`);
  });

  it('offers the result as a download and records it', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    expect(await page(`/admin/jobs/${id}`)).toContain(`action="/admin/jobs/${id}/result"`);
    const { status, headers, body } = await user.get(`/admin/jobs/${id}/result`);
    expect(status).toBe(200);
    expect(headers.get('content-disposition')).toBe(`attachment; filename="result-${id}.json"`);
    expect(headers.get('content-type')).toContain('application/json');
    expect(headers.get('content-security-policy')).toContain(`default-src 'none'`);
    expect(body.job_id).toBe(id);
    await eventually('the record of the download', async () => {
      const { body: list } = await gateway.call('GET', '/v1/admin/actions', undefined, {
        authorization: `Bearer ${key}`,
      });
      const found = list.actions.find(
        ({ action, detail }: { action: string; detail: { job: string } }) =>
          action === 'job.result' && detail.job === id,
      );
      return found?.state === 'done' ? true : undefined;
    });
  });

  describe('of a job that its service deleted', () => {
    let id: string;
    let html: string;
    beforeAll(async () => {
      id = await gateway.submit();
      await gateway.ended(id);
      await gateway.call('DELETE', `/v1/jobs/${id}`);
      html = await page(`/admin/jobs/${id}`);
    });

    it('says when it was deleted, and that its result is deleted with it', () => {
      const text = html.replaceAll(/<[^>]+>/g, '');
      expect(text).toMatch(
        /The job completed\. Its service deleted it on [-\d]+ [:\d]+ UTC, and its result with it\./,
      );
      expect(text).not.toMatch(/is stored|because of its age\./);
    });

    it('has the deletion as the last entry of its timeline', () => {
      const rows = html.split('What happened to the job')[1]?.split('</table>')[0]?.split('<tr');
      expect(rows?.at(-1)).toContain('Deleted by its service');
    });

    it('and the list of jobs mark it as deleted', async () => {
      const list = (await page(`/admin/jobs?id=${id}`)).split('<tbody').at(-1);
      for (const shown of [html, list]) expect(shown).toMatch(/–<\/span>deleted<\/span>/);
    });
  });

  it('says that the result of a job was deleted because of its age', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    await gateway.pool.query('DELETE FROM job_results WHERE job_id = $1', [id]);
    const html = await page(`/admin/jobs/${id}`);
    expect(html).toContain('Its result was deleted because of its age.');
    expect(html).not.toContain('is stored');
  });

  it('offers no download for a job without a result', async () => {
    const id = await gateway.submit({ sim: { outcome: 'fail' } });
    await gateway.ended(id);
    expect(await page(`/admin/jobs/${id}`)).not.toContain('/result"');
    expect((await user.get(`/admin/jobs/${id}/result`)).status).toBe(409);
  });

  it("returns the result by the API to an admin and to the job's service only", async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const path = `/v1/admin/jobs/${id}/result`;
    const asAdmin = await gateway.call('GET', path, undefined, { authorization: `Bearer ${key}` });
    expect([asAdmin.status, asAdmin.body.job_id]).toEqual([200, id]);
    expect((await gateway.call('GET', path)).status).toBe(403);
  });

  it('links the error code to the jobs with the same code', async () => {
    const id = await gateway.submit({ sim: { outcome: 'fail' } });
    const { error } = await gateway.ended(id);
    expect(await page(`/admin/jobs/${id}`)).toContain(`href="/admin/jobs?code=${error.code}"`);
  });

  it('shows the reason and the end of a deferral', async () => {
    const id = await gateway.submit({ sim: { stuck: 'InProgress', ...SILENT } });
    await upstreamId(gateway, id);
    await gateway.pool.query(
      `UPDATE jobs SET deferral_reason = 'Reducto is busy. The gateway tries again',
                       deferred_until = '2027-01-01T00:00:00Z' WHERE id = $1`,
      [id],
    );
    const html = await page(`/admin/jobs/${id}`);
    expect(html).toContain('Deferred.');
    expect(html).toContain('Reducto is busy. The gateway tries again at 2027-01-01T00:00:00.000Z.');
  });

  it('polls the job on demand', async () => {
    const id = await gateway.submit({ sim: { stuck: 'InProgress', ...SILENT } });
    await upstreamId(gateway, id);
    expect(await page(`/admin/jobs/${id}`)).toContain('>Poll now<');
    const { status, headers } = await user.post(`/admin/jobs/${id}/poll`);
    expect([status, headers.get('location')]).toEqual([303, `/admin/jobs/${id}?done=poll`]);
    await eventually(
      'the poll',
      async () => (await gateway.events(id)).includes('polled') || undefined,
    );
  });
});

it('returns an error page for an unknown result', async () => {
  const answer = await send(`${gateway.url}/admin/jobs/x/result`, 'GET', undefined, {
    cookie: user.cookie,
  });
  expect(answer.status).toBe(404);
});
