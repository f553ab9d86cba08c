import { randomUUID } from 'node:crypto';
import { QueryFailedError } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isTerminal, type JobStatus } from '../../src/jobs/job-status.js';
import { DueJobsService } from '../../src/jobs/due-jobs.service.js';
import { BulkStatusCheck } from '../../src/reconciler/bulk-status-check.js';
import { Sweep } from '../../src/reconciler/sweep.js';
import { ReductoClient } from '../../src/reducto/reducto.client.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { DatabaseSession } from '../../src/platform/work/database-session.js';
import { UpstreamListing } from '../../src/reducto/upstream-listing.js';
import type { TestGateway } from '../support/gateway.js';
import { cancelDue, pollDue, recoverDue, submitDue } from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';

/*
 * Every job ends by its maximum age, wherever it stands and whatever goes wrong. No worker runs by itself: the
 * rounds below are what a worker does with what is due.
 */

const MAX_AGE_SECONDS = 3600;

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
let sweep: Sweep;
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });

beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startIdleGateway({
    REDUCTO_BASE_URL: upstream.url,
    REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1',
    REDUCTO_READ_TIMEOUT_SECONDS: '1',
    JOB_MAX_AGE_SECONDS: String(MAX_AGE_SECONDS),
    UNCERTAIN_SCHEDULE_SECONDS: '600',
    RECONCILE_LISTING_MIN_JOBS: '1',
    LOG_LEVEL: 'silent',
  });
  const { settings } = gateway;
  const check = new BulkStatusCheck(settings, get(UpstreamListing), get(DueJobsService));
  sweep = new Sweep(get(DueJobsService), get(UpstreamRateLimiter), check, get(DatabaseSession));
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
afterEach(async () => {
  vi.restoreAllMocks();
  Object.assign(upstream.answers, defaults);
  await gateway.pool.query('DELETE FROM upstream_rate');
});

const DUE = `next_check_at = now() - interval '1 s'`;

/** Where a job may stand, as changes of the row of a job that was just accepted. */
const STATES: Record<string, string> = {
  'queued, deferred repeatedly': 'submit_attempts = 7',
  'queued, its attempt interrupted': `submit_attempts = 1, submit_started_at = now() - interval '1 hour'`,
  'queued, waiting for a job that does not end': `request = '{"input":"jobid://' || (SELECT id FROM jobs WHERE upstream_id = 'source') || '"}', refers_to_jobs = true`,
  uncertain: `status = 'uncertain', submit_attempts = 1, submit_started_at = now() - interval '2 hours'`,
  'uncertain, with the id that a callback asserts': `status = 'uncertain', submit_attempts = 1, asserted_upstream_id = 'claimed'`,
  'uncertain, to be cancelled': `status = 'uncertain', submit_attempts = 1, cancel_requested_at = now()`,
  submitted: `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now()`,
  'submitted, with a callback': `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now(), callback_received_at = now(), poll_requested = true`,
  'submitted, not found before': `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now(), missing_since = now()`,
  'submitted, completed without its result': `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now(), result_missing_since = now()`,
  'submitted, to be cancelled': `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now(), cancel_requested_at = now()`,
  'submitted, left behind by a process that died in a poll': `status = 'submitted', upstream_id = 'up-' || id, submitted_at = now(), worker = 0, lease = gen_random_uuid()`,
};

const dataError = (): Error =>
  new QueryFailedError('SELECT', [], Object.assign(new Error('bad'), { code: '22021' }));
function clientThrows(thrown: () => Error): void {
  for (const call of ['submitJob', 'pollJob', 'listJobs', 'cancelJob'] as const) {
    vi.spyOn(get(ReductoClient), call).mockImplementation(() => Promise.reject(thrown()));
  }
}
const answerAll = (answer: RawAnswers['poll']): void => {
  Object.assign(upstream.answers, { submit: answer, poll: answer, list: answer, cancel: answer });
};

/** What may go wrong, all the time. */
const FAILURES: Record<string, () => unknown> = {
  'Reducto says that it is not finished': () => {},
  'Reducto breaks every connection': () => answerAll({ breakOff: true }),
  'Reducto answers 503 with a long Retry-After': () =>
    answerAll({ status: 503, headers: { 'retry-after': '86400' }, body: '{}' }),
  'a proxy answers with a page': () =>
    answerAll({ headers: { 'content-type': 'text/html' }, body: '<p>Sign in</p>' }),
  'Reducto answers JSON that is none of the documented': () => answerAll({ body: '[NaN]' }),
  'there is no listing': () => (upstream.answers.list = { status: 404, body: '{}' }),
  'the result is never there': () =>
    (upstream.answers.poll = {
      body: `{"status":"Completed","result":{"result":{"type":"url","url":"${upstream.url}/none"}}}`,
    }),
  'polls are in a permanent cool-down': () =>
    get(UpstreamRateLimiter).polls.reportOutcome('unavailable', { retryAfterSeconds: 86_400 }),
  'polls never get their turn': async () => {
    await get(UpstreamRateLimiter).polls.acquirePermit();
    await gateway.pool.query(`UPDATE upstream_rate SET next_permit_at = now() + interval '1 day'`);
  },
  'each call throws an exception': () =>
    clientThrows(() => new TypeError('undefined is not a function')),
  'each call throws an error about data': () => clientThrows(dataError),
};

async function jobAt(state: string, ageSeconds: number): Promise<string> {
  await gateway.pool.query(`DELETE FROM jobs`);
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, status, request_hash, upstream_id, next_check_at)
     VALUES ($1, 'source', 'parse', 'submitted', '\\x00', 'source', now() + interval '1 day')`,
    [randomUUID()],
  );
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, request, request_hash, next_check_at, created_at)
     VALUES ($1, 'source', 'parse', '{"input":"https://example.com/a.pdf"}', '\\x00', now(),
             now() - make_interval(secs => $2))`,
    [id, ageSeconds],
  );
  await gateway.pool.query(`UPDATE jobs SET ${STATES[state]}, ${DUE} WHERE id = $1`, [id]);
  return id;
}

async function statusOf(id: string): Promise<JobStatus> {
  const { rows } = await gateway.pool.query('SELECT status FROM jobs WHERE id = $1', [id]);
  return rows[0].status;
}

/** A worker does with job `id` what is due. Errors are logged there, and the work is due again. */
async function workOnce(id: string): Promise<void> {
  await gateway.pool.query(`UPDATE jobs SET ${DUE} WHERE id = $1 AND ended_at IS NULL`, [id]);
  const ignored = (): void => undefined;
  await submitDue(gateway).catch(ignored);
  await sweep.runSweep().catch(ignored);
  await gateway.pool.query(`UPDATE jobs SET ${DUE} WHERE id = $1 AND ended_at IS NULL`, [id]);
  await cancelDue(gateway).catch(ignored);
  await gateway.pool.query(`UPDATE jobs SET ${DUE} WHERE id = $1 AND ended_at IS NULL`, [id]);
  await pollDue(gateway).catch(ignored);
  await recoverDue(gateway).catch(ignored);
}

describe.each(Object.keys(STATES))('a job that is %s ends at its maximum age', (state) => {
  it.each(Object.entries(FAILURES))('where %s', async (_, goWrong) => {
    const id = await jobAt(state, MAX_AGE_SECONDS + 1);
    await goWrong();
    for (let round = 0; round < 3 && !isTerminal(await statusOf(id)); round++) await workOnce(id);
    const status = await statusOf(id);
    expect(isTerminal(status) ? 'ended' : status).toBe('ended');
  });
});

it('polls a job whose rescheduling PostgreSQL refuses, and reschedules the others', async () => {
  await jobAt('submitted', 60);
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, status, request_hash, upstream_id, submitted_at, next_check_at)
     SELECT gen_random_uuid(), 'source', 'parse', 'submitted', '\\x00', 'more-' || n, now(), now()
       FROM generate_series(1, 3) AS n`,
  );
  const due = await get(DueJobsService).findDue();
  const [first, refused] = due;
  await refuseRows(
    gateway.pool,
    'job_events',
    `NEW.job_id = '${refused?.id}' AND NEW.type = 'polled'`,
  );
  try {
    expect(await get(DueJobsService).rescheduleOpen(due)).toBe(due.length);
  } finally {
    await acceptRows(gateway.pool, 'job_events');
  }
  const { rows } = await gateway.pool.query(
    'SELECT id FROM jobs WHERE poll_requested AND next_check_at <= now()',
  );
  expect(rows).toEqual([{ id: refused?.id }]);
  expect(first?.id).not.toBe(refused?.id);
});
