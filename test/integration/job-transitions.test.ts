import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { UPSTREAM_UNUSABLE } from '../../src/jobs/job-error.js';
import { DueJobsService } from '../../src/jobs/due-jobs.service.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { BulkStatusCheck } from '../../src/reconciler/bulk-status-check.js';
import { Sweep } from '../../src/reconciler/sweep.js';
import { DatabaseSession } from '../../src/platform/work/database-session.js';
import { UpstreamListing } from '../../src/reducto/upstream-listing.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import type { TestGateway } from '../support/gateway.js';
import { cancelDue, pollNow, recoverDue, submitDue } from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';

/* Late, repeated, and misdirected reports about a job. No worker runs by itself. */

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
let check: BulkStatusCheck;
let sweep: Sweep;
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });

beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startIdleGateway({
    REDUCTO_BASE_URL: upstream.url,
    NOT_FOUND_GRACE_SECONDS: '0',
    UNCERTAIN_SCHEDULE_SECONDS: '600',
    RECONCILE_LISTING_MIN_JOBS: '1',
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(async () => {
  await gateway.pool.query('DELETE FROM jobs; DELETE FROM upstream_rate');
  Object.assign(upstream.answers, defaults);
  upstream.requests.length = 0;
  const { settings } = gateway;
  check = new BulkStatusCheck(settings, get(UpstreamListing), get(DueJobsService));
  sweep = new Sweep(get(DueJobsService), get(UpstreamRateLimiter), check, get(DatabaseSession));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const row = async (id: string) =>
  (await gateway.pool.query('SELECT * FROM jobs WHERE id = $1', [id])).rows[0];

/** A due job with these changes of its row. */
async function jobWith(changes: string): Promise<string> {
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, request, request_hash, next_check_at)
     VALUES ($1, 'invoices', 'parse', '{"input":"https://example.com/a.pdf"}', '\\x00', now())`,
    [id],
  );
  await gateway.pool.query(`UPDATE jobs SET ${changes} WHERE id = $1`, [id]);
  return id;
}
const submitted = (changes = 'polls = 0'): Promise<string> =>
  jobWith(
    `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now(), submit_attempts = 1, ${changes}`,
  );
const ended = (status: string): Promise<string> =>
  jobWith(
    `status = '${status}', ended_at = now(), next_check_at = NULL, request = NULL, submit_attempts = 1`,
  );
const uncertain = (changes = 'polls = 0'): Promise<string> =>
  jobWith(`status = 'uncertain', submit_attempts = 1, submit_started_at = now(), ${changes}`);

const cancelled = (): string[] =>
  upstream.requests.flatMap(({ path }) => (path.startsWith('/cancel/') ? [path.slice(8)] : []));
const listing = (upstreamId: string, jobId: string, token = gateway.tokens.signJobId(jobId)) => ({
  body: JSON.stringify({
    jobs: [
      {
        job_id: upstreamId,
        status: 'InProgress',
        created_at: new Date().toISOString(),
        raw_config: JSON.stringify({ async: { metadata: { gateway_job_id: jobId, token } } }),
      },
    ],
    next_cursor: null,
  }),
});

const TERMINAL = ['completed', 'failed', 'cancelled', 'expired'];

describe.each([...TERMINAL, 'submitted'])('a job that is %s', (status) => {
  const make = (): Promise<string> => (status === 'submitted' ? submitted() : ended(status));

  it('is not made uncertain by a late report of its attempt', async () => {
    const id = await make();
    const before = await row(id);
    expect(await get(SubmissionTransitions).markUncertain({ id }, 1, 'no answer')).toBe(false);
    expect(await row(id)).toEqual(before);
  });

  it('is not queued, deferred, or failed by a late report of its attempt', async () => {
    const id = await make();
    const before = await row(id);
    const steps = get(SubmissionTransitions);
    expect(await steps.requeueJob({ id }, ['submit_attempts = 1', {}])).toBe(false);
    expect(await steps.deferSubmit({ id }, 1, { seconds: 1, reason: 'later' })).toBe(false);
    expect(await steps.endUnsubmitted({ id }, 1, 'failed', UPSTREAM_UNUSABLE)).toBe(false);
    expect(await row(id)).toEqual(before);
  });

  it('does not become another upstream job by a late answer to its submit', async () => {
    const id = await make();
    const before = await row(id);
    expect(await get(SubmissionTransitions).markSubmitted({ id }, 'late', 'answer')).toBe(false);
    expect(await row(id)).toEqual(before);
  });
});

it('a late report of attempt 1 changes nothing while attempt 2 is in progress', async () => {
  const id = await jobWith('submit_attempts = 2, submit_started_at = now()');
  const before = await row(id);
  const steps = get(SubmissionTransitions);
  expect(await steps.markUncertain({ id }, 1, 'no answer')).toBe(false);
  expect(await steps.deferSubmit({ id }, 1, { seconds: 1, reason: 'later' })).toBe(false);
  expect(await steps.endUnsubmitted({ id }, 1, 'failed', UPSTREAM_UNUSABLE)).toBe(false);
  expect(await row(id)).toEqual(before);
});

it('a job that is cancelled during its submit is cancelled at Reducto, though the answer is lost', async () => {
  const id = await gateway.submit();
  upstream.answers.submit = async () => {
    const { body } = await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect(body.status).toBe('queued');
    return { breakOff: true };
  };
  await submitDue(gateway);
  expect((await row(id)).status).toBe('uncertain');
  upstream.answers.list = listing('made', id);
  await gateway.pool.query('UPDATE jobs SET next_check_at = now()');
  await recoverDue(gateway);
  expect(await row(id)).toMatchObject({ status: 'submitted', upstream_id: 'made' });
  await cancelDue(gateway);
  expect(cancelled()).toEqual(['made']);
});

it('rejects an asserted upstream id whose request has the job id without a token', async () => {
  const id = await uncertain(`asserted_upstream_id = 'theirs'`);
  const rawConfig = JSON.stringify({ system_prompt: `{"gateway_job_id":"${id}"}` });
  upstream.answers.poll = { body: JSON.stringify({ status: 'Pending', raw_config: rawConfig }) };
  upstream.answers.list = { status: 404, body: '{}' };
  await recoverDue(gateway);
  expect(await row(id)).toMatchObject({ status: 'uncertain', upstream_id: null });
});

it('does not adopt a listed upstream job whose request has the job id without a token', async () => {
  const id = await uncertain();
  upstream.answers.list = listing('theirs', id, gateway.tokens.signJobId(randomUUID()));
  await recoverDue(gateway);
  expect(await row(id)).toMatchObject({ status: 'uncertain', upstream_id: null });
});

it('does not adopt an upstream job that belongs to another job', async () => {
  const first = await submitted();
  const second = await uncertain();
  await gateway.pool.query('UPDATE jobs SET next_check_at = NULL WHERE id = $1', [first]);
  upstream.answers.list = listing(`up-${first}`, second);
  await recoverDue(gateway);
  expect(await row(second)).toMatchObject({
    status: 'failed',
    upstream_id: null,
    error: { code: 'submit_outcome_unknown' },
  });
});

describe('the request of a job is deleted', () => {
  it.each([
    ['completed', { body: '{"status":"Completed","result":{}}' }],
    ['failed', { body: '{"status":"Failed"}' }],
    ['cancelled', { body: '{"status":"Cancelled"}' }],
    ['expired', { status: 410, body: '{}' }],
  ])('when a poll shows that it is %s', async (status, answer) => {
    const id = await submitted(`missing_since = now() - interval '1 minute'`);
    expect((await row(id)).request).not.toBeNull();
    upstream.answers.poll = answer;
    await pollNow(gateway, id);
    expect(await row(id)).toMatchObject({ status, request: null });
  });

  it('when Reducto rejects it', async () => {
    const id = await gateway.submit();
    upstream.answers.submit = { status: 422, body: '{}' };
    await submitDue(gateway);
    expect(await row(id)).toMatchObject({ status: 'failed', request: null });
  });

  it('when the job is cancelled before its submit', async () => {
    const id = await gateway.submit();
    await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect(await row(id)).toMatchObject({ status: 'cancelled', request: null });
  });
});

it('a sweep leases only jobs past the maximum age during a cool-down', async () => {
  const ids = [await submitted(), await uncertain()];
  await get(UpstreamRateLimiter).polls.reportOutcome('unavailable', { retryAfterSeconds: 300 });
  const before = await Promise.all(ids.map(row));
  expect(await sweep.runSweep()).toMatchObject({
    polls: 0,
    bulkChecked: 0,
    expired: 0,
  });
  expect(await Promise.all(ids.map(row))).toEqual(before);
  expect(upstream.requests).toEqual([]);
});

it.each([404, 410])('two proxy pages with status %i do not end a job', async (status) => {
  const id = await submitted();
  upstream.answers.poll = {
    status,
    headers: { 'content-type': 'text/html' },
    body: '<html><title>Not Found</title></html>',
  };
  for (let poll = 0; poll < 3; poll++) {
    await gateway.pool.query(
      `UPDATE jobs SET missing_since = missing_since - interval '1 hour', submitted_at = now() - interval '1 hour',
              next_check_at = now()`,
    );
    await gateway.pool.query('DELETE FROM upstream_rate');
    await pollNow(gateway, id);
  }
  expect(await row(id)).toMatchObject({ status: 'submitted', polls: 3 });
});
