import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawRequest, type RawUpstream } from '../support/raw-upstream.js';

/* Reducto's listing decides whether a submit without an answer made a job. */

interface UpstreamJob {
  readonly id: string;
  readonly createdAt: number;
  readonly rawConfig?: string;
  /** When the listing begins to show it. */
  readonly listedAt?: number;
}

const SECOND = 1000;
const LAG_SECONDS = 3;

let upstream: RawUpstream;
let gateway: TestGateway;
/** Jobs at Reducto, newest first. */
let jobs: UpstreamJob[];
/** Deletes a job beside a walk: after the first page was read. */
let deletedAfterFirstPage: string | undefined;
let pageSize: number;
let clockSkew: number;

beforeEach(async () => {
  jobs = [];
  pageSize = 100;
  clockSkew = 0;
  deletedAfterFirstPage = undefined;
  upstream = await startRawUpstream({ submit: accept, list });
  gateway = await startGateway({
    REDUCTO_BASE_URL: upstream.url,
    UNCERTAIN_LISTING_LAG_SECONDS: String(LAG_SECONDS),
    UNCERTAIN_SCHEDULE_SECONDS: '1,600',
    SUBMIT_BACKOFF_SECONDS: '600',
  });
});
afterEach(async () => {
  await gateway.close();
  await upstream.close();
});

function accept({ body }: RawRequest) {
  const id = `job_${upstream.requests.length}`;
  jobs.unshift({ id, createdAt: Date.now(), rawConfig: body.toString() });
  return { body: JSON.stringify({ job_id: id }) };
}

/** The cursor is an offset, so that a deletion moves later jobs to pages that were read before. */
function list({ path }: RawRequest) {
  const query = new URL(path, 'http://upstream').searchParams;
  const size = Math.min(pageSize, Number(query.get('limit')));
  const begin = Number(query.get('cursor') ?? 0);
  const listed = jobs.filter(({ listedAt = 0 }) => listedAt <= Date.now());
  const page = listed.slice(begin, begin + size).map(({ id, createdAt, rawConfig }) => ({
    job_id: id,
    status: 'Pending',
    // As Reducto writes it: without a zone.
    created_at: new Date(createdAt + clockSkew).toISOString().replace('Z', ''),
    raw_config: rawConfig,
  }));
  const next = begin + size < listed.length ? String(begin + size) : null;
  if (begin === 0) jobs = jobs.filter(({ id }) => id !== deletedAfterFirstPage);
  return { body: JSON.stringify({ jobs: page, next_cursor: next }) };
}

/** The next submit gets no answer, and `made` what it made. Later ones are accepted. */
function loseAnswer(made: (request: RawRequest) => void = () => undefined): void {
  upstream.answers.submit = (request) => {
    upstream.answers.submit = accept;
    made(request);
    return { breakOff: true };
  };
}
const others = (count: number, secondsAgo: number): UpstreamJob[] =>
  Array.from({ length: count }, (_, n) => ({
    id: `other_${secondsAgo}_${n}`,
    createdAt: Date.now() - (secondsAgo + n) * SECOND,
    rawConfig: '{"input":"https://example.com/b.pdf"}',
  }));
/** A job of the gateway that Reducto has. */
async function submitted(): Promise<string> {
  const id = await gateway.submit();
  await eventually(
    'submitted',
    async () => (await gateway.events(id)).includes('submitted') || undefined,
  );
  return id;
}
async function timeline(id: string): Promise<Map<string, number>> {
  const { body } = await gateway.call('GET', `/v1/jobs/${id}/events`);
  const events: readonly { type: string; at: string }[] = body.events;
  return new Map(events.map(({ type, at }) => [type, Date.parse(at)]));
}
const after = (id: string, event: string): Promise<Map<string, number>> =>
  eventually(event, async () => {
    const events = await timeline(id);
    return events.has(event) ? events : undefined;
  });
const madeFor = (id: string): number =>
  jobs.filter(({ rawConfig }) => rawConfig?.includes(id) === true).length;
const submits = (): number =>
  upstream.requests.filter(({ path }) => path === '/parse_async').length;

/** How often a job was sent when it was searched for twice without a decision. */
async function submitsAfterTwoSearches(id: string): Promise<number> {
  await eventually('two searches', async () => {
    const { rows } = await gateway.pool.query<{ polls: number }>(
      `SELECT polls FROM jobs WHERE id = $1 AND status = 'uncertain'`,
      [id],
    );
    return (rows[0]?.polls ?? 0) >= 2 ? true : undefined;
  });
  return submits();
}

describe('a submit whose answer is lost and that made no job', () => {
  it('is sent again soon after the lag of the listing', async () => {
    loseAnswer();
    const id = await gateway.submit();
    const events = await after(id, 'submitted');
    const waited = (events.get('submitted') ?? NaN) - (events.get('submit_uncertain') ?? NaN);
    expect(waited).toBeGreaterThanOrEqual(LAG_SECONDS * SECOND);
    // Far below the next step of the schedule and of the backoff.
    expect(waited).toBeLessThan((LAG_SECONDS + 60) * SECOND);
    expect(madeFor(id)).toBe(1);
    expect(submits()).toBe(2);
    const { rows } = await gateway.pool.query('SELECT uncertain_since FROM jobs WHERE id = $1', [
      id,
    ]);
    expect(rows).toEqual([{ uncertain_since: null }]);
  });

  it('waits as a deferred submit before the third attempt', async () => {
    upstream.answers.submit = { breakOff: true };
    const id = await gateway.submit();
    for (const count of [1, 2]) {
      await eventually(`absence ${count}`, async () => {
        const types = await gateway.events(id);
        return types.filter((type) => type === 'submit_resolved').length === count || undefined;
      });
    }
    const { body } = await gateway.call('GET', `/v1/jobs/${id}`);
    expect(body).toMatchObject({ status: 'queued', reason: expect.stringContaining('no job') });
    expect(submits()).toBe(2);
  });

  it.each([2, -2])('is sent again where the clock of Reducto is %d h off', async (hours) => {
    clockSkew = hours * 3600 * SECOND;
    jobs = others(300, 60);
    await submitted();
    loseAnswer();
    const id = await gateway.submit();
    await after(id, 'submitted');
    expect(madeFor(id)).toBe(1);
    const pages = upstream.requests.filter(({ path }) => path.startsWith('/jobs'));
    expect(pages.length).toBeLessThan(4);
  });

  it('ends as cancelled at once if a cancel was requested', async () => {
    loseAnswer();
    const id = await gateway.submit();
    await after(id, 'submit_uncertain');
    await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect(await gateway.ended(id)).toMatchObject({ status: 'cancelled' });
    expect(submits()).toBe(1);
  });

  it('is sent again after a walk of several pages', async () => {
    pageSize = 40;
    jobs = others(100, 60);
    await submitted();
    jobs.unshift(...others(60, -60));
    loseAnswer();
    const id = await gateway.submit();
    await after(id, 'submitted');
    expect(madeFor(id)).toBe(1);
  });
});

describe('a submit whose answer is lost and that made a job', () => {
  it('is adopted if the listing shows the job late', async () => {
    loseAnswer(({ body }) => {
      const createdAt = Date.now();
      const listedAt = createdAt + 2 * SECOND;
      jobs = [{ id: 'late', createdAt, listedAt, rawConfig: body.toString() }];
    });
    const id = await gateway.submit();
    await after(id, 'submitted');
    expect(submits()).toBe(1);
    const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
    expect(rows).toEqual([{ upstream_id: 'late' }]);
  });

  it.each<[string, (body: string) => Partial<UpstreamJob>]>([
    ['hides its request', () => ({ rawConfig: '' })],
    ['cuts its request', (body) => ({ rawConfig: body.slice(0, 60) })],
    ['changes its token', (body) => ({ rawConfig: body.replace(/"v1\.[^"]*"/, '"…"') })],
    ['shows it without an id', () => ({ id: '' })],
  ])('is not sent again if the listing %s', async (_, change) => {
    loseAnswer(({ body }) => {
      const text = body.toString();
      jobs = [{ id: 'made', createdAt: Date.now(), rawConfig: text, ...change(text) }];
    });
    expect(await submitsAfterTwoSearches(await gateway.submit())).toBe(1);
  });

  it('is not sent again if a deletion beside the walk hides the job', async () => {
    pageSize = 40;
    await submitted();
    const newer = others(40, -60);
    loseAnswer(({ body }) => {
      const made = { id: 'made', createdAt: Date.now(), rawConfig: body.toString() };
      jobs = [...newer, made, ...jobs, ...others(40, 60)];
    });
    deletedAfterFirstPage = newer[3]?.id;
    const id = await gateway.submit();
    await after(id, 'submitted');
    expect(submits()).toBe(2);
    expect(madeFor(id)).toBe(1);
  });

  it('is not sent again if the order of the listing is not newest first', async () => {
    pageSize = 40;
    loseAnswer(({ body }) => {
      const made = { id: 'made', createdAt: Date.now(), rawConfig: body.toString() };
      // More pages than a walk reads.
      jobs = [...others(1300, 60).toReversed(), made];
    });
    expect(await submitsAfterTwoSearches(await gateway.submit())).toBe(1);
  });
});

it('a listing that lacks a new job of the gateway proves nothing', async () => {
  loseAnswer();
  const id = await gateway.submit();
  await after(id, 'submit_uncertain');
  await submitted();
  jobs = [];
  await gateway.pool.query(`UPDATE jobs SET submitted_at = submitted_at - interval '3 s'`);
  expect(await submitsAfterTwoSearches(id)).toBe(2);
});
