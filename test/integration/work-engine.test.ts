import { randomUUID } from 'node:crypto';
import { Client, type Pool } from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Held, Lease, LeasedWork } from '../../src/platform/work/due-work.js';
import { LeasedWorker } from '../../src/platform/work/leased-worker.js';
import { WorkEngine } from '../../src/platform/work/work-engine.js';
import { WorkMetrics } from '../../src/platform/work/work.metrics.js';
import { WorkerLock } from '../../src/platform/work/worker-lock.js';
import { refuseRows } from '../support/refusing-database.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

/* The engine with a kind of work of its own, and what it does where workers, sessions, and statements break. */

let gateways: TestGateway[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const gateway of gateways.toReversed()) await gateway.close();
  gateways = [];
});

async function start(environment: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await startGateway(environment);
  gateways.push(gateway);
  return gateway;
}
const replicaOf = ({ settings }: TestGateway): Promise<TestGateway> =>
  start({
    DATABASE_URL: settings.DATABASE_URL ?? '',
    REDUCTO_BASE_URL: settings.REDUCTO_BASE_URL.href,
    REDUCTO_API_KEY: settings.REDUCTO_API_KEY ?? '',
  });

interface Parcel {
  readonly id: number;
}

/** A kind of work: a table with leases, a query that leases due rows, and a handler. */
class ParcelWork implements LeasedWork<Parcel> {
  readonly name = 'parcel';
  readonly topic = 'parcels_due';
  readonly table = 'parcels';
  readonly sent: number[] = [];
  readonly concurrency = 4;
  stop: () => void = () => undefined;
  handler: (parcel: Parcel, lease: Lease) => Promise<void | 'release'> = () => Promise.resolve();

  constructor(private readonly pool: Pool) {}

  static async createTable(pool: Pool): Promise<void> {
    await pool.query(`CREATE TABLE parcels (id int PRIMARY KEY, due_at timestamptz DEFAULT now(),
      lease uuid, worker int, sent int NOT NULL DEFAULT 0)`);
  }
  freeSlots(running: number): number {
    return this.concurrency - running;
  }
  async lease(limit: number, lease: Lease): Promise<Parcel[]> {
    const { rows } = await this.pool.query<Parcel>(
      `UPDATE parcels SET lease = $2, worker = $3, due_at = now() + interval '10 min' WHERE id = ANY (ARRAY(
         SELECT id FROM parcels WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED))
       RETURNING id`,
      [limit, lease.id, lease.worker],
    );
    return rows;
  }
  async perform(parcel: Parcel, lease: Lease): Promise<void | 'release'> {
    if ((await this.handler(parcel, lease)) === 'release') return 'release';
    this.sent.push(parcel.id);
    await this.pool.query(
      'UPDATE parcels SET sent = sent + 1, due_at = NULL, lease = NULL WHERE id = $1 AND lease = $2',
      [parcel.id, lease.id],
    );
    return undefined;
  }
  async release(held: readonly Held<Parcel>[]): Promise<void> {
    for (const { item, lease } of held) {
      await this.pool.query(
        'UPDATE parcels SET lease = NULL, due_at = now() WHERE id = $1 AND lease = $2',
        [item.id, lease.id],
      );
    }
  }
  async releaseLost(leases: readonly Lease[]): Promise<void> {
    await this.pool.query(
      'UPDATE parcels SET lease = NULL, due_at = now() WHERE lease = ANY ($1)',
      [leases.map(({ id }) => id)],
    );
  }
}

async function withParcels(
  count: number,
): Promise<{ gateway: TestGateway; work: ParcelWork; wake: () => void }> {
  const gateway = await start();
  await ParcelWork.createTable(gateway.pool);
  await gateway.pool.query('INSERT INTO parcels (id) SELECT generate_series(1, $1::int)', [count]);
  const work = new ParcelWork(gateway.pool);
  gateway.app.get(WorkerLock, { strict: false }).onGone(work.table, async (_, worker) => {
    await gateway.pool.query(
      'UPDATE parcels SET lease = NULL, worker = NULL, due_at = now() WHERE worker = $1',
      [worker.id],
    );
  });
  const { wakeForMore } = gateway.app.get(WorkEngine, { strict: false }).addLeased(work);
  return { gateway, work, wake: wakeForMore };
}
const sent = async ({ pool }: TestGateway): Promise<number[]> => {
  const { rows } = await pool.query<{ sent: number; count: number }>(
    'SELECT sent, count(*)::int AS count FROM parcels GROUP BY sent ORDER BY sent',
  );
  return rows.flatMap(({ sent, count }) => [sent, count]);
};

describe('a new kind of work', () => {
  it('is done once for each due row, under its limit', async () => {
    const { gateway, work } = await withParcels(50);
    let running = 0;
    let most = 0;
    work.handler = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running -= 1;
    };
    await expect.poll(() => sent(gateway)).toEqual([1, 50]);
    expect(most).toBe(4);
  });

  it('is due again at once after an error of its handler', async () => {
    const { gateway, work } = await withParcels(3);
    const failed = new Set<number>();
    work.handler = ({ id }) => {
      if (failed.has(id)) return Promise.resolve();
      failed.add(id);
      return Promise.reject(new Error('broken'));
    };
    await expect.poll(() => sent(gateway)).toEqual([1, 3]);
  });

  it('is due again at once if its handler did nothing', async () => {
    const { gateway, work } = await withParcels(3);
    const refused = new Set<number>();
    work.handler = ({ id }) => {
      if (refused.has(id)) return Promise.resolve();
      refused.add(id);
      return Promise.resolve('release');
    };
    await expect.poll(() => sent(gateway)).toEqual([1, 3]);
    expect(work.sent.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
  });

  it('is not stuck where the answer to a lease was lost', async () => {
    const { gateway, work } = await withParcels(3);
    const lease = work.lease.bind(work);
    vi.spyOn(work, 'lease').mockImplementationOnce(async (...parameters) => {
      await lease(...parameters);
      throw new Error('the connection broke');
    });
    await expect.poll(() => sent(gateway)).toEqual([1, 3]);
  });

  it('is done although leases of other rows cannot be released', async () => {
    const { gateway, work } = await withParcels(3);
    work.handler = ({ id }) => Promise.resolve(id === 1 ? 'release' : undefined);
    vi.spyOn(work, 'release').mockRejectedValue(new Error('refused'));
    await expect.poll(() => work.sent.length).toBe(2);
    await gateway.pool.query('INSERT INTO parcels (id) VALUES (4)');
    await expect.poll(() => work.sent).toContain(4);
  });

  it('is released although PostgreSQL refuses to change one of its rows', async () => {
    const { gateway, work } = await withParcels(4);
    const once = new Set([1, 2, 3, 4]);
    work.handler = ({ id }) => Promise.resolve(once.delete(id) ? 'release' : undefined);
    // Parcel 2 is leased already.
    await refuseRows(gateway.pool, 'parcels', 'NEW.id = 2 AND NEW.lease IS NULL');
    await expect.poll(() => work.sent.toSorted((a, b) => a - b)).toEqual([1, 3, 4]);
  });

  it('keeps the leases of running work although PostgreSQL refuses to change one of its rows', async () => {
    const gateway = await start();
    await ParcelWork.createTable(gateway.pool);
    await gateway.pool.query('INSERT INTO parcels (id) SELECT generate_series(1, 4)');
    const get = <T>(type: new (...args: never[]) => T): T =>
      gateway.app.get(type, { strict: false });
    const renewed: number[] = [];
    const work = Object.assign(new ParcelWork(gateway.pool), {
      renew: (held: readonly Held<Parcel>[]) => {
        const ids = held.map(({ item }) => item.id);
        if (ids.includes(2)) return Promise.reject(Object.assign(new Error(), { code: '23514' }));
        renewed.push(...ids);
        return Promise.resolve();
      },
    });
    const begun: number[] = [];
    const gate = Promise.withResolvers<void>();
    work.handler = ({ id }) => {
      begun.push(id);
      return gate.promise;
    };
    const worker = new LeasedWorker(work, get(WorkerLock), get(WorkMetrics));
    await expect
      .poll(() => {
        worker.wake();
        return begun.length;
      })
      .toBe(4);
    await worker.renewLeases();
    expect(renewed.toSorted((a, b) => a - b)).toEqual([1, 3, 4]);
    gate.resolve();
    await worker.stop(5000);
  });

  it('cannot be added if nothing frees the leases of a dead worker', async () => {
    const gateway = await start();
    const engine = gateway.app.get(WorkEngine, { strict: false });
    expect(() => engine.addLeased(new ParcelWork(gateway.pool))).toThrow('Leases in parcels');
  });

  it('is finished or released by a stop', async () => {
    const { gateway, work } = await withParcels(8);
    const gate = Promise.withResolvers<void>();
    work.handler = async ({ id }) => {
      await gate.promise;
      return id % 2 === 0 ? 'release' : undefined;
    };
    const leased = async (): Promise<number> =>
      (await gateway.pool.query('SELECT FROM parcels WHERE lease IS NOT NULL')).rowCount ?? 0;
    await expect.poll(leased).toBe(4);
    work.stop = () => gate.resolve();
    await gateway.app.close();
    expect(await leased()).toBe(0);
    expect(await sent(gateway)).toEqual([0, 6, 1, 2]);
  });
});

describe('a worker process', () => {
  const LOCK_CLASS = 0x7265_6477;

  /** A session that holds the lock of another worker, `id`, as another process does. */
  async function otherWorker(gateway: TestGateway): Promise<{ id: number; session: Client }> {
    const session = new Client({ connectionString: gateway.settings.DATABASE_URL });
    session.on('error', () => undefined);
    await session.connect();
    const { rows } = await session.query(`SELECT nextval('worker_ids')::int AS id`);
    const { id } = rows[0];
    await session.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, id]);
    await session.query('INSERT INTO workers (id) VALUES ($1)', [id]);
    return { id, session };
  }

  it('frees the jobs of another one whose session has ended', async () => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '600' });
    const { id: worker, session } = await otherWorker(gateway);
    const id = await gateway.submit({ sim: { stuck: 'InProgress', webhook: { send: 'never' } } });
    await eventually('the submit', async () =>
      (await gateway.events(id)).includes('submitted') ? true : undefined,
    );
    await gateway.pool.query(
      `UPDATE jobs SET lease = $1, worker = $2, next_check_at = now() + interval '10 min'`,
      [randomUUID(), worker],
    );
    const upstream = await eventually('the job upstream', () => gateway.sandbox.jobs.all()[0]);
    await gateway.sandbox.runner.complete(upstream);
    await session.end();
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    const { rows } = await gateway.pool.query('SELECT FROM workers WHERE id = $1', [worker]);
    expect(rows).toEqual([]);
  });

  it('leaves the jobs of another one alone that has its lock', async () => {
    const gateway = await start({ POLL_SCHEDULE_SECONDS: '600' });
    const { id: worker, session } = await otherWorker(gateway);
    const id = await gateway.submit({ sim: { webhook: { send: 'never' } } });
    await eventually('the submit', async () =>
      (await gateway.events(id)).includes('submitted') ? true : undefined,
    );
    const lease = randomUUID();
    await gateway.pool.query(
      `UPDATE jobs SET lease = $1, worker = $2, next_check_at = now() + interval '10 min'`,
      [lease, worker],
    );
    const dead = await otherWorker(gateway);
    await dead.session.end();
    // The one without a lock is gone: the other one was seen as often.
    await eventually('the dead worker is removed', async () => {
      const { rowCount } = await gateway.pool.query('SELECT FROM workers WHERE id = $1', [dead.id]);
      return rowCount === 0 ? true : undefined;
    });
    const { rows } = await gateway.pool.query('SELECT lease, worker FROM jobs');
    expect(rows).toEqual([{ lease, worker }]);
    await session.end();
  });

  it('takes its own lock again after its session was ended, and keeps its id', async () => {
    const gateway = await start();
    const lock = gateway.app.get(WorkerLock, { strict: false });
    const before = await eventually('the lock', () => lock.heldBy);
    await gateway.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'reducto-gateway-session' AND datname = current_database()`,
    );
    await eventually('the loss', () => (lock.heldBy === undefined ? true : undefined));
    expect(await eventually('the lock again', () => lock.heldBy)).toBe(before);
    expect((await gateway.ended(await gateway.submit())).status).toBe('completed');
  });

  it('works under another id where it was taken for dead', async () => {
    const gateway = await start();
    const lock = gateway.app.get(WorkerLock, { strict: false });
    const before = await eventually('the lock', () => lock.heldBy);
    await gateway.pool.query('DELETE FROM workers');
    await gateway.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'reducto-gateway-session' AND datname = current_database()`,
    );
    const again = await eventually('another lock', () =>
      lock.heldBy === before ? undefined : lock.heldBy,
    );
    expect(again).toBeGreaterThan(before);
    expect((await gateway.ended(await gateway.submit())).status).toBe('completed');
  });

  it('shares the work with a replica, and each job is sent once', async () => {
    const first = await start();
    const second = await replicaOf(first);
    const locks = [first, second].map(({ app }) => app.get(WorkerLock, { strict: false }));
    await eventually('both locks', () =>
      locks.every(({ heldBy }) => heldBy !== undefined) ? true : undefined,
    );
    expect(new Set(locks.map(({ heldBy }) => heldBy)).size).toBe(2);
    const ids = await Promise.all(Array.from({ length: 60 }, () => first.submit()));
    for (const id of ids) expect((await first.ended(id)).status).toBe('completed');
    expect(first.sandbox.jobs.all()).toHaveLength(60);
  });
});
