import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataSource } from 'typeorm';
import { ScanChoice } from '../../src/jobs/leases/scan-choice.js';
import { JobLeaseStore } from '../../src/jobs/leases/job-lease.store.js';
import { RefusedJobs } from '../../src/jobs/leases/refused-jobs.js';
import { SubmissionQueueStore } from '../../src/jobs/submission/submission-queue.store.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { Settings } from '../../src/platform/config/settings.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { newLease } from '../support/due-work.js';
import { acceptRows, refuseRows } from '../support/refusing-database.js';
import type { TestGateway } from '../support/gateway.js';
import { startIdleGateway } from '../support/idle-worker.js';

/* How the services share slots and polls. Each store leases as one process does. No worker runs by itself. */

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startIdleGateway();
});
afterAll(() => gateway.close());
afterEach(() => gateway.pool.query('TRUNCATE jobs, services CASCADE'));

interface Turn {
  readonly service: string;
  readonly priority: boolean;
}

/** Leases jobs to send as a process of its own. */
function newProcess(): (limit?: number) => Promise<Turn[]> {
  const { manager } = gateway.app.get(DataSource, { strict: false });
  const transactions = gateway.app.get(Transactions, { strict: false });
  const refused = gateway.app.get(RefusedJobs, { strict: false });
  const queue = new SubmissionQueueStore(manager, transactions, refused);
  return (limit = 1) => queue.leaseJobs(limit, newLease(), { attempt: 70, other: 30 }, 86_400);
}

function newPoller(): (limit?: number) => Promise<{ id: string; service: string }[]> {
  const { manager } = gateway.app.get(DataSource, { strict: false });
  const settings = gateway.app.get(Settings, { strict: false });
  const refused = gateway.app.get(RefusedJobs, { strict: false });
  const leases = new JobLeaseStore(settings, refused, manager);
  return async (limit = 1) => {
    const leased = await leases.leasePolls(limit, newLease());
    const { rows } = await gateway.pool.query<{ id: string; service: string }>(
      'SELECT id, service FROM jobs WHERE id = ANY ($1::uuid[])',
      [leased.map(({ id }) => id)],
    );
    return leased.flatMap(({ id }) => rows.find((row) => row.id === id) ?? []);
  };
}

/** Due jobs; the later ones are due for a shorter time. */
async function addJobs(service: string, count: number, columns: Record<string, string> = {}) {
  const values = {
    id: 'gen_random_uuid()',
    service: `'${service}'`,
    type: `'parse'`,
    request: `'{}'`,
    next_check_at: `now() - interval '1 s' + n * interval '1 microsecond'`,
    ...columns,
  };
  await gateway.pool.query(
    `INSERT INTO jobs (${Object.keys(values).join()})
     SELECT ${Object.values(values).join()} FROM generate_series(1, $1::int) AS n`,
    [count],
  );
}
const submitted = (columns: Record<string, string> = {}): Record<string, string> => ({
  status: `'submitted'`,
  upstream_id: 'gen_random_uuid()::text',
  submitted_at: 'now()',
  ...columns,
});
const setService = (service: string, weight: number, maxInFlight: number | null = null) =>
  gateway.pool.query(
    `INSERT INTO services (service, weight, max_in_flight) VALUES ($1, $2, $3)
     ON CONFLICT (service) DO UPDATE SET weight = $2, max_in_flight = $3`,
    [service, weight, maxInFlight],
  );
const countOf = (turns: readonly { service: string }[], service: string): number =>
  turns.filter((turn) => turn.service === service).length;

async function leaseTimes(times: number, lease: () => Promise<readonly Turn[]>): Promise<Turn[]> {
  const turns: Turn[] = [];
  for (let n = 0; n < times; n++) turns.push(...(await lease()));
  return turns;
}

describe('submission slots', () => {
  it('lease a job of an idle service before 50,000 jobs of another', async () => {
    await addJobs('archive', 50_000);
    const lease = newProcess();
    await leaseTimes(5, () => lease(8));
    await addJobs('invoices', 1, { next_check_at: 'now()' });
    expect(await lease()).toMatchObject([{ service: 'invoices' }]);
    expect(await lease()).toMatchObject([{ service: 'archive' }]);
  });

  it('lease a single job each time it comes beside a backlog', async () => {
    await addJobs('archive', 500);
    const lease = newProcess();
    for (let n = 0; n < 20; n++) {
      await lease(3);
      await addJobs('invoices', 1, { next_check_at: 'now()' });
      expect(countOf(await lease(2), 'invoices')).toBe(1);
    }
  });

  it('lease a job beside the backlogs of many services within one round', async () => {
    for (let n = 0; n < 30; n++) await addJobs(`archive-${n}`, 20);
    const lease = newProcess();
    await leaseTimes(10, () => lease(4));
    await addJobs('invoices', 1, { next_check_at: 'now()' });
    expect(await lease()).toMatchObject([{ service: 'invoices' }]);
  });

  it.each([1, 3, 10])('are shared 1 to 3 by weight, %i at a time', async (limit) => {
    await setService('heavy', 3);
    await addJobs('light', 1000);
    await addJobs('heavy', 1000);
    const lease = newProcess();
    const turns = await leaseTimes(Math.ceil(1000 / limit), () => lease(limit));
    expect(countOf(turns, 'heavy') / turns.length).toBeCloseTo(0.75, 1);
  });

  it('are shared by weight by two processes together', async () => {
    await setService('heavy', 3);
    await addJobs('light', 1000);
    await addJobs('heavy', 1000);
    const processes = [newProcess(), newProcess()];
    const turns: Turn[] = [];
    for (let n = 0; turns.length < 1000; n++) {
      const both = await Promise.all(processes.map((lease, place) => lease(1 + ((n + place) % 3))));
      turns.push(...both.flat());
    }
    const share = countOf(turns, 'heavy') / turns.length;
    expect(share).toBeGreaterThan(0.675);
    expect(share).toBeLessThan(0.825);
  });

  it('follow a new weight at once', async () => {
    await addJobs('first', 500);
    await addJobs('second', 500);
    const lease = newProcess();
    expect(countOf(await leaseTimes(100, lease), 'second')).toBe(50);
    await setService('second', 9);
    expect(countOf(await leaseTimes(100, lease), 'second')).toBeGreaterThanOrEqual(89);
  });

  it('are not saved up by a service that was idle', async () => {
    await addJobs('busy', 500);
    const lease = newProcess();
    await leaseTimes(100, lease);
    await addJobs('late', 500);
    expect(countOf(await leaseTimes(100, lease), 'busy')).toBeGreaterThanOrEqual(49);
  });

  it('go to the remaining service when another has no jobs left', async () => {
    await addJobs('short', 3);
    await addJobs('long', 20);
    const lease = newProcess();
    const turns = [...(await lease(10)), ...(await lease(10))];
    expect(countOf(turns, 'short')).toBe(3);
    expect(countOf(turns, 'long')).toBe(17);
    await gateway.pool.query(`DELETE FROM jobs WHERE service = 'short'`);
    expect(countOf(await lease(10), 'long')).toBe(3);
  });

  it('lease each job once, by several processes', async () => {
    for (const service of ['one', 'two', 'three']) await addJobs(service, 100);
    const processes = Array.from({ length: 6 }, newProcess);
    const leased = await Promise.all(processes.map((lease) => lease(50)));
    const rest = await leaseTimes(6, () => newProcess()(100));
    expect(leased.flat().length + rest.length).toBe(300);
  });

  it('lease all due jobs although another transaction locks some of them', async () => {
    await addJobs('locked', 2);
    await addJobs('free', 10);
    const client = await gateway.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(`SELECT FROM jobs WHERE service = 'locked' FOR UPDATE`);
      expect(await newProcess()(6)).toHaveLength(6);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it.each([null, 100])(
    'fail only a job that PostgreSQL refuses to lease (limit: %s)',
    async (limit) => {
      await setService('archive', 1, limit);
      await addJobs('archive', 10);
      await addJobs('invoices', 10);
      await gateway.pool.query(
        `UPDATE jobs SET trace = 'poison' WHERE id = (SELECT id FROM jobs WHERE service = 'archive' LIMIT 1)`,
      );
      await refuseRows(gateway.pool, 'jobs', `NEW.trace = 'poison' AND NEW.status = 'queued'`);
      const transitions = gateway.app.get(SubmissionTransitions, { strict: false });
      const leased = [];
      for (let n = 0; n < 12; n++) leased.push(...(await transitions.leaseJobs(4, newLease())));
      await acceptRows(gateway.pool, 'jobs');
      expect(leased).toHaveLength(19);
      const { rows } = await gateway.pool.query(`SELECT trace FROM jobs WHERE status = 'failed'`);
      expect(rows).toEqual([{ trace: 'poison' }]);
    },
  );

  it('do not lease jobs that are not due', async () => {
    await addJobs('invoices', 5, { next_check_at: `now() + interval '1 minute'` });
    expect(await newProcess()(10)).toEqual([]);
  });
});

describe('priority', () => {
  const priority = { priority: 'true' };

  it('goes first, but one slot in five is for the oldest job without it', async () => {
    await addJobs('invoices', 100);
    await addJobs('invoices', 100, priority);
    const lease = newProcess();
    const turns = [...(await lease(3)), ...(await leaseTimes(9, lease)), ...(await lease(8))];
    const order = turns.map((turn) => (turn.priority ? 'P' : '-')).join('');
    expect(order).toBe('PPPP-PPPP-PPPP-PPPP-');
  });

  it('leaves its unused slots to the other jobs', async () => {
    await addJobs('invoices', 10);
    await addJobs('invoices', 2, priority);
    const turns = await newProcess()(8);
    expect(turns.map((turn) => (turn.priority ? 'P' : '-')).join('')).toBe('PP------');
  });

  it('takes all slots of a service without other jobs', async () => {
    await addJobs('invoices', 20, priority);
    expect(await newProcess()(12)).toHaveLength(12);
  });

  it('gives a service no share of the others', async () => {
    await addJobs('archive', 100, priority);
    await addJobs('invoices', 100);
    const lease = newProcess();
    expect(countOf(await leaseTimes(50, () => lease(2)), 'invoices')).toBe(50);
  });
});

describe('maxInFlight', () => {
  it('is not exceeded by two processes', async () => {
    await setService('limited', 1, 7);
    await addJobs('limited', 50);
    await addJobs('free', 50);
    const processes = [newProcess(), newProcess()];
    const turns = (
      await Promise.all(Array.from({ length: 10 }, (_, n) => processes[n % 2]?.(5) ?? []))
    ).flat();
    expect(countOf(turns, 'limited')).toBe(7);
    expect(countOf(turns, 'free')).toBeGreaterThan(30);
  });

  it('counts jobs that are submitted or uncertain, and leases more once they end', async () => {
    await setService('limited', 1, 5);
    await addJobs('limited', 2, submitted({ next_check_at: `now() + interval '1 minute'` }));
    await addJobs('limited', 1, { status: `'uncertain'` });
    await addJobs('limited', 10);
    const lease = newProcess();
    expect(await lease(10)).toHaveLength(2);
    expect(await lease(10)).toEqual([]);
    await gateway.pool.query(
      `UPDATE jobs SET status = 'completed', ended_at = now(), next_check_at = NULL WHERE status = 'submitted'`,
    );
    expect(await lease(10)).toHaveLength(2);
  });

  it('leases a job again whose attempt was interrupted, although the limit is reached', async () => {
    await setService('limited', 1, 1);
    await addJobs('limited', 10);
    await addJobs('limited', 1, {
      lease: 'gen_random_uuid()',
      worker: '4711',
      submit_attempts: '1',
      submit_started_at: `now() - interval '2 minutes'`,
      next_check_at: 'now()',
    });
    expect(await newProcess()(5)).toMatchObject([{ begun: false, attempts: 1 }]);
  });

  it('applies to the next lease after it was set, and not after it was removed', async () => {
    await addJobs('limited', 20);
    const lease = newProcess();
    expect(await lease(4)).toHaveLength(4);
    await setService('limited', 1, 6);
    expect(await lease(4)).toHaveLength(2);
    await setService('limited', 1, null);
    expect(await lease(4)).toHaveLength(4);
  });

  it('leaves no credit for the time in which the limit held the service back', async () => {
    await setService('limited', 1, 1);
    await addJobs('limited', 100);
    await addJobs('free', 200);
    const lease = newProcess();
    await leaseTimes(50, () => lease(2));
    await setService('limited', 1, null);
    expect(countOf(await leaseTimes(20, lease), 'free')).toBeGreaterThanOrEqual(9);
  });
});

describe('polls', () => {
  it('of an idle service come before 5,000 due polls of another', async () => {
    await addJobs('archive', 5000, submitted());
    const lease = newPoller();
    await lease(100);
    await addJobs('invoices', 1, submitted({ next_check_at: 'now()' }));
    expect(await lease()).toMatchObject([{ service: 'invoices' }]);
  });

  it('with a trigger come before scheduled ones of every service', async () => {
    await addJobs('archive', 100, submitted());
    await addJobs('invoices', 100, submitted());
    await addJobs('archive', 5, submitted({ poll_requested: 'true' }));
    const lease = newPoller();
    expect(countOf(await lease(5), 'archive')).toBe(5);
    expect(countOf(await lease(6), 'invoices')).toBeGreaterThanOrEqual(3);
  });

  it('with a trigger are shared between the services', async () => {
    await addJobs('archive', 1000, submitted({ poll_requested: 'true' }));
    await addJobs('invoices', 10, submitted({ poll_requested: 'true' }));
    expect(countOf(await newPoller()(20), 'invoices')).toBe(10);
  });

  it('are shared by weight', async () => {
    await setService('heavy', 4);
    await addJobs('light', 500, submitted());
    await addJobs('heavy', 500, submitted());
    const lease = newPoller();
    const turns = [];
    for (let n = 0; n < 100; n++) turns.push(...(await lease(5)));
    expect(countOf(turns, 'heavy')).toBeGreaterThanOrEqual(398);
    expect(countOf(turns, 'heavy')).toBeLessThanOrEqual(402);
  });
});

describe('the bounded scan, as beside an old snapshot', () => {
  beforeEach(() => {
    vi.spyOn(ScanChoice.prototype, 'next').mockReturnValue({ scan: 'bounded', isTrial: false });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('leases every job of every service once', async () => {
    for (const service of ['one', 'two', 'three']) {
      await addJobs(service, 40);
      await addJobs(service, 10, { priority: 'true' });
    }
    const processes = [newProcess(), newProcess()];
    const turns: Turn[] = [];
    for (let n = 0; n < 40; n++) {
      const both = await Promise.all(processes.map((lease) => lease(1 + (n % 4))));
      turns.push(...both.flat());
    }
    for (const service of ['one', 'two', 'three']) expect(countOf(turns, service)).toBe(50);
  });

  it('finds the first job of a service that comes later', async () => {
    await addJobs('archive', 100);
    const lease = newProcess();
    await leaseTimes(10, () => lease(3));
    await addJobs('invoices', 1, { next_check_at: 'now()' });
    expect(await lease()).toMatchObject([{ service: 'invoices' }]);
  });

  it('finds a job whose service had none for a while', async () => {
    const lease = newProcess();
    await addJobs('invoices', 1);
    await addJobs('archive', 50);
    await leaseTimes(10, () => lease(2));
    await addJobs('invoices', 1, { next_check_at: 'now()' });
    expect(countOf(await lease(2), 'invoices')).toBe(1);
  });

  it('finds a job that a rolled back transaction had locked', async () => {
    await addJobs('invoices', 1);
    await addJobs('invoices', 5);
    const lease = newProcess();
    const client = await gateway.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT FROM jobs ORDER BY next_check_at LIMIT 1 FOR UPDATE');
      expect(await leaseTimes(3, () => lease(2))).toHaveLength(5);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    expect(await lease()).toHaveLength(1);
  });

  it('shares polls and puts those with a trigger first', async () => {
    await addJobs('archive', 30, submitted());
    await addJobs('invoices', 5, submitted({ poll_requested: 'true' }));
    const lease = newPoller();
    expect(countOf(await lease(6), 'invoices')).toBe(5);
    await addJobs('letters', 1, submitted({ next_check_at: 'now()' }));
    expect(await lease()).toMatchObject([{ service: 'letters' }]);
  });
});
