import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isTerminal, TRANSITIONS, type JobStatus } from '../../src/jobs/job-status.js';
import { DueJobsService } from '../../src/jobs/due-jobs.service.js';
import { SubmissionQueueStore } from '../../src/jobs/submission/submission-queue.store.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { BulkStatusCheck } from '../../src/reconciler/bulk-status-check.js';
import { Sweep } from '../../src/reconciler/sweep.js';
import { DatabaseSession } from '../../src/platform/work/database-session.js';
import { UpstreamListing } from '../../src/reducto/upstream-listing.js';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import type { TestGateway } from '../support/gateway.js';
import {
  cancelDue,
  newLease,
  pollDue,
  pollNow,
  recoverDue,
  submitDue,
} from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { submitNow } from '../support/submit-now.js';

/*
 * The state machine against random orders of everything that can happen to a job. No worker runs by
 * itself: the commands are due work, callbacks, sweeps, crashes, and the clock.
 */

let gateway: TestGateway;
let sweep: Sweep;
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });

beforeAll(async () => {
  gateway = await startIdleGateway({
    REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1',
    UNCERTAIN_SCHEDULE_SECONDS: '5,15',
    RECONCILE_LISTING_MIN_JOBS: '2',
    LOG_LEVEL: 'silent',
  });
  const { settings } = gateway;
  const check = new BulkStatusCheck(settings, get(UpstreamListing), get(DueJobsService));
  sweep = new Sweep(get(DueJobsService), get(UpstreamRateLimiter), check, get(DatabaseSession));
});
afterAll(() => gateway.close());

const MOMENTS =
  'created_at submitted_at submit_started_at uncertain_since callback_received_at cancel_requested_at cancel_sent_at missing_since unusable_since result_missing_since next_check_at';

interface Row {
  status: JobStatus;
  upstream_id: string | null;
  settled_by: string | null;
  ended_at: Date | null;
  cancel_requested_at: Date | null;
  error: { code: string } | null;
}
const row = async (id: string): Promise<Row> =>
  (await gateway.pool.query<Row>('SELECT * FROM jobs WHERE id = $1', [id])).rows[0] ?? never();
const upstreamOf = (id: string) =>
  gateway.sandbox.jobs.all().filter((job) => JSON.stringify(job.body).includes(`"${id}"`));
function never(): never {
  throw new Error('the job is gone');
}

/** Everything that can happen to a job, in any order. */
const STEPS = {
  submit: () => submitDue(gateway),
  submitInTwoSteps: (id: string) => submitNow(gateway, id),
  poll: (id: string) => pollNow(gateway, id),
  pollDue: () => pollDue(gateway),
  recover: () => recoverDue(gateway),
  sweep: () => sweep.runSweep(),
  askToCancel: (id: string) => gateway.call('POST', `/v1/jobs/${id}/cancel`),
  cancelDue: () => cancelDue(gateway),
  callback: (id: string) => callback(id, 'Completed'),
  failedCallback: (id: string) => callback(id, 'Failed'),
  crashBeforeSending: () => get(SubmissionTransitions).leaseJobs(5, newLease()),
  stopBeforeSending: async () => {
    const taken = await get(SubmissionTransitions).leaseJobs(5, newLease());
    await get(SubmissionQueueStore).releaseUnsent(taken, 'stopped');
  },
  upstreamCompletes: async (id: string) => {
    for (const job of upstreamOf(id)) await gateway.sandbox.runner.complete(job);
  },
  upstreamFails: async (id: string) => {
    for (const job of upstreamOf(id)) gateway.sandbox.runner.fail(job, 'no', null);
  },
  upstreamForgets: async (id: string) => {
    for (const job of upstreamOf(id)) job.deletedAt ??= 0;
  },
  aMoment: (id: string) => letPass(id, 6),
  aMinute: (id: string) => letPass(id, 70),
  twoDays: (id: string) => letPass(id, 172_800),
  allAtOnce: (id: string) =>
    Promise.all([
      submitDue(gateway),
      submitDue(gateway),
      submitNow(gateway, id),
      pollNow(gateway, id),
      pollNow(gateway, id),
      recoverDue(gateway),
      gateway.call('POST', `/v1/jobs/${id}/cancel`),
      cancelDue(gateway),
      cancelDue(gateway),
      callback(id, 'Completed'),
      sweep.runSweep(),
      sweep.runSweep(),
    ]),
} satisfies Record<string, (id: string) => Promise<unknown>>;
type Step = keyof typeof STEPS;
const isStep = (name: string): name is Step => name in STEPS;

async function letPass(id: string, seconds: number): Promise<unknown> {
  await endCoolDowns(gateway);
  const earlier = MOMENTS.split(' ').map((moment) => `${moment} = ${moment} - $2::interval`);
  return gateway.pool.query(
    `UPDATE jobs SET ${earlier.join(', ')} WHERE id = $1 AND ended_at IS NULL`,
    [id, `${seconds} s`],
  );
}

async function callback(id: string, status: string): Promise<void> {
  const upstream = upstreamOf(id).at(-1)?.id ?? 'made-up';
  const metadata = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
  await gateway.call('POST', '/webhooks/reducto', { status, job_id: upstream, metadata });
}

/** Whether `to` can be reached from `from` by the table of transitions. */
function reachable(from: JobStatus, to: JobStatus): boolean {
  const seen = new Set<JobStatus>([from]);
  for (const status of seen) for (const next of TRANSITIONS[status]) seen.add(next);
  return seen.has(to);
}

/** What is wrong with the step from `before` to `after`; nothing, mostly. */
function wrongStep(id: string, before: Row, after: Row): string[] {
  const ended = isTerminal(after.status);
  // One that Reducto has forgotten was rightly taken for never made.
  const upstream = upstreamOf(id).filter((job) => job.deletedAt === undefined);
  return found({
    [`${before.status} became ${after.status}`]: !reachable(before.status, after.status),
    'the time of the end is wrong': (after.ended_at !== null) !== ended,
    'a job that had ended was changed':
      isTerminal(before.status) && !isDeepStrictEqual(before, after),
    [`there are ${upstream.length} jobs upstream`]: upstream.length > 1,
  });
}

/** Differences between the reported job and Reducto’s. */
async function wrongEnd(id: string, reported: Row): Promise<string[]> {
  const upstream = upstreamOf(id).find((job) => job.id === reported.upstream_id);
  const code = reported.error?.code ?? '';
  const result = await gateway.call('GET', `/v1/jobs/${id}/result`);
  const { rows: ends } = await gateway.pool.query('SELECT FROM event_outbox WHERE job_id = $1', [
    id,
  ]);
  const codes: Partial<Record<JobStatus, string[]>> = {
    failed: ['failed_upstream', 'rejected_upstream', 'submit_outcome_unknown'],
    expired: ['max_age_exceeded', 'unknown_upstream', 'submit_outcome_unknown'],
  };
  const running = upstream?.deletedAt === undefined ? upstream?.status : undefined;
  return found({
    'the job has not ended': !isTerminal(reported.status),
    'the end is not in the outbox': ends.length !== 1,
    'completed without a result': reported.status === 'completed' && result.status !== 200,
    'completed, but not upstream':
      reported.status === 'completed' && upstream?.status !== 'Completed',
    'failed, but not upstream': code === 'failed_upstream' && upstream?.status !== 'Failed',
    [`the reason is ${code}`]: codes[reported.status]?.includes(code) === false,
    'cancelled unasked': reported.status === 'cancelled' && reported.cancel_requested_at === null,
    'cancelled, but not upstream':
      reported.status === 'cancelled' && running !== undefined && running !== 'Cancelled',
  });
}

function found(violations: Record<string, boolean>): string[] {
  return Object.keys(violations).filter((violation) => violations[violation]);
}

const SUBMIT_FAULTS = [
  {},
  { fault: 'createdBut502', times: 1 },
  { fault: 'createdButReset', times: 1 },
  { fault: 'status', status: 502, times: 1 },
  { fault: '429code1000', times: 1 },
  { fault: '401', times: 1 },
  { fault: 'status', status: 422 },
];

const ENDING: Step[] = ['aMinute', 'submit', 'recover', 'upstreamCompletes', 'sweep', 'poll'];

/** Everything that goes wrong with one job to which `order` happens, and which then is left to end. */
async function violations(submit: object, order: readonly Step[]): Promise<string[]> {
  gateway.sandbox.reset();
  await gateway.pool.query('DELETE FROM upstream_rate');
  // Reducto has forgotten the jobs of earlier orders.
  await gateway.pool.query('DELETE FROM jobs');
  const sim = { stuck: 'InProgress', submit, webhook: { send: 'never' } };
  const id = await gateway.submit({ sim });
  const wrong: string[] = [];
  let now = await row(id);
  const take = async (steps: readonly Step[]): Promise<void> => {
    for (const step of steps) {
      await STEPS[step](id);
      const before = now;
      now = await row(id);
      wrong.push(...wrongStep(id, before, now).map((what) => `${step}: ${what}`));
    }
  };
  await take(order);
  for (let round = 0; round < 12 && !isTerminal(now.status); round++) await take(ENDING);
  return [...wrong, ...(await wrongEnd(id, now))];
}

it('every job reaches exactly one true terminal state in any order of events', async () => {
  const steps = fc.constantFrom(...Object.keys(STEPS).filter(isStep));
  const orders = fc.array(steps, { minLength: 3, maxLength: 14 });
  const holds = fc.asyncProperty(fc.constantFrom(...SUBMIT_FAULTS), orders, async (...given) => {
    const wrong = await violations(...given);
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  });
  const { FAULT_RUNS = '60', FAULT_SEED } = process.env;
  const seed = FAULT_SEED === undefined ? {} : { seed: Number(FAULT_SEED) };
  const details = await fc.check(holds, { numRuns: Number(FAULT_RUNS), ...seed });
  expect(fc.defaultReportMessage(details) ?? '').toBe('');
});
