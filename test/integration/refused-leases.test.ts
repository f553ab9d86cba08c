import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DueJobsService } from '../../src/jobs/due-jobs.service.js';
import { JobLeaseStore } from '../../src/jobs/leases/job-lease.store.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { newLease } from '../support/due-work.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';

/* One due job that PostgreSQL refuses to lease, among others of its kind. No worker runs by itself. */

/** More than needed: a refused statement still locks its jobs for a moment, so the next one can skip them. */
const LEASES = 20;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startIdleGateway({ JOB_MAX_AGE_SECONDS: '600' });
});
afterAll(() => gateway.close());
afterEach(async () => {
  await acceptRows(gateway.pool, 'jobs');
  await gateway.pool.query('TRUNCATE jobs CASCADE');
});

const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });
type Ids = Promise<string[]>;
const ids = async (leased: Promise<readonly { readonly id: string }[]>): Ids =>
  (await leased).map(({ id }) => id);

interface Kind {
  readonly name: string;
  readonly columns: string;
  readonly lease: (limit: number) => Ids;
  readonly code: string;
}
const POLL: Kind = {
  name: 'polls',
  columns: `status = 'submitted', submitted_at = now()`,
  lease: (limit) => ids(get(JobLeaseStore).leasePolls(limit, newLease())),
  code: 'upstream_unusable',
};
const KINDS: readonly Kind[] = [
  {
    name: 'submits',
    columns: `status = 'queued'`,
    lease: (limit) => ids(get(SubmissionTransitions).leaseJobs(limit, newLease())),
    code: 'max_age_exceeded',
  },
  POLL,
  {
    name: 'searches for uncertain submits',
    columns: `status = 'uncertain', uncertain_since = now(), submit_started_at = now(), submit_attempts = 1`,
    lease: (limit) => ids(get(JobLeaseStore).leaseUncertain(limit, newLease())),
    code: 'submit_outcome_unknown',
  },
  {
    name: 'cancels',
    columns: `status = 'submitted', cancel_requested_at = now()`,
    lease: (limit) => ids(get(JobLeaseStore).leaseCancels(limit, newLease())),
    code: 'upstream_unusable',
  },
  {
    name: 'jobs past their maximum age',
    columns: `status = 'submitted', created_at = now() - interval '700 s'`,
    lease: (limit) => ids(get(JobLeaseStore).leaseTooOld(limit, newLease(), 600)),
    code: 'upstream_unusable',
  },
];

/** Inserts due jobs of one kind, the longest due first. */
async function dueJobs({ columns }: Kind, count: number): Promise<string[]> {
  const { rows } = await gateway.pool.query<{ id: string }>(
    `INSERT INTO jobs (id, service, type, status, request, request_hash, upstream_id, next_check_at)
     SELECT gen_random_uuid(), 'invoices', 'parse', 'queued', '{}', '\\x00', 'up-' || n,
            now() - make_interval(secs => $1 - n)
       FROM generate_series(1, $1::int) AS n
     RETURNING id, next_check_at`,
    [count],
  );
  await gateway.pool.query(`UPDATE jobs SET ${columns}`);
  return rows.map(({ id }) => id);
}
const jobsOf = async (all: readonly string[]) =>
  (
    await gateway.pool.query<{ id: string; status: string; error: { code: string } | null }>(
      'SELECT id, status, error FROM jobs WHERE id = ANY ($1::uuid[])',
      [all],
    )
  ).rows;

describe.each(KINDS)('a lease of $name', (kind) => {
  it.each([
    ['first', 0, 10],
    ['among others', 4, 10],
    ['last', 6, 10],
    ['alone in its statement', 0, 1],
  ])('ends the job that PostgreSQL refuses, and leases the rest: %s', async (_, place, limit) => {
    const all = await dueJobs(kind, 7);
    const refused = all[place] ?? '';
    await refuseRows(gateway.pool, 'jobs', `NEW.id = '${refused}' AND NEW.lease IS NOT NULL`);
    const leased: string[] = [];
    for (let n = 0; n < LEASES; n += 1) leased.push(...(await kind.lease(limit)));
    expect(leased.toSorted()).toEqual(all.filter((id) => id !== refused).toSorted());
    expect(await jobsOf([refused])).toMatchObject([
      { status: 'failed', error: { code: kind.code } },
    ]);
  });

  it('leases the rest although PostgreSQL refuses every change of one job', async () => {
    const all = await dueJobs(kind, 7);
    const refused = all[2] ?? '';
    await refuseRows(gateway.pool, 'jobs', `NEW.id = '${refused}'`);
    const leased: string[] = [];
    for (let n = 0; n < LEASES; n += 1) leased.push(...(await kind.lease(2)));
    expect(leased.toSorted()).toEqual(all.filter((id) => id !== refused).toSorted());
  });

  it('ends several jobs that PostgreSQL refuses, and leases the rest', async () => {
    const all = await dueJobs(kind, 9);
    const refused = [all[0], all[1], all[5], all[8]];
    const list = refused.map((id) => `'${id}'`).join(', ');
    await refuseRows(gateway.pool, 'jobs', `NEW.id IN (${list}) AND NEW.lease IS NOT NULL`);
    const leased: string[] = [];
    for (let n = 0; n < LEASES; n += 1) leased.push(...(await kind.lease(9)));
    expect(leased.toSorted()).toEqual(all.filter((id) => !refused.includes(id)).toSorted());
    const left = await jobsOf(all);
    expect(left.filter(({ status }) => status === 'failed')).toHaveLength(4);
  });
});

it('a job that PostgreSQL refuses to lease does not keep others from their expiry', async () => {
  const kind = KINDS.at(-1) ?? POLL;
  const all = await dueJobs(kind, 4);
  await refuseRows(gateway.pool, 'jobs', `NEW.id = '${all[1]}'`);
  expect(await get(DueJobsService).expireJobs()).toBe(3);
  const statuses = new Map((await jobsOf(all)).map(({ id, status }) => [id, status]));
  expect(all.map((id) => statuses.get(id))).toEqual(['expired', 'submitted', 'expired', 'expired']);
});
