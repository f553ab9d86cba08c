import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { BenchProcess } from './bench-process.js';
import { costOf, costTable, type Cost } from './cost.js';
import type { DeliverPlan } from './deliver-by-hand.js';
import { median, percentile } from './statistics.js';
import { ratioLine } from './turns.js';
import type { Side, World } from './world.js';

const CONCURRENCY = 64;
const ENDPOINTS = 10;
const EVENTS = 5000;
const WARM_UP_EVENTS = 1000;
const WANTED = 0.8;
const WANTED_P95_MS = 50;
const IDLE_EVENTS = 100;
const TIMEOUT_MILLISECONDS = 120_000;

/** Delivery of events from the end of their jobs, and how long one takes while nothing else happens. */
export async function measureDeliveries(world: World, say: (line: string) => void): Promise<void> {
  say(
    `${EVENTS} events of ended jobs to ${ENDPOINTS} endpoints of one receiver, ${CONCURRENCY} requests at a time;`,
  );
  say('the bare loop has its events in memory; the gateway makes them from the ends of jobs');
  const secret = randomBytes(32).toString('base64');
  const receiver = await world.run(
    world.nextName('receiver'),
    'dist/test/bench/deliver-receiver.js',
    {},
  );
  const loop = await byHand(world, secret);
  const gateway = await world.gateway('worker', {
    environment: {
      DELIVERY_CONCURRENCY: String(CONCURRENCY),
      DELIVERY_ALLOWED_NETWORKS: '127.0.0.0/8',
    },
  });
  await addEndpoints(world, gateway, receiver.url, secret);
  const takeTurn = {
    'bare loop': (events: number) => loopTurn(world, loop, receiver, events),
    gateway: (events: number) => gatewayTurn(world, gateway, receiver, events),
  };
  const turns = new Map<string, Cost[]>();
  for (const take of Object.values(takeTurn)) await take(WARM_UP_EVENTS);
  for (let round = 0; round < world.options.rounds; round++) {
    const sides = Object.entries(takeTurn);
    for (const [name, take] of round % 2 === 0 ? sides : sides.toReversed()) {
      turns.set(name, [...(turns.get(name) ?? []), await take(EVENTS)]);
    }
  }
  for (const line of costTable(turns, 'deliveries')) say(line);
  const loops = turns.get('bare loop') ?? [];
  const ratios = (turns.get('gateway') ?? []).map(
    ({ perSecond }, round) => perSecond / (loops[round]?.perSecond ?? Number.NaN),
  );
  say(ratioLine('gateway / bare loop', ratios, 'at least', WANTED));
  const idle = await idleTurn(world, gateway, receiver);
  const p95 = percentile(idle, 0.95);
  say(`  from the end of a job to the arrival, idle: median ${median(idle).toFixed(0)} ms`);
  say(ratioLine('p95 of it in ms', [p95], 'at most', WANTED_P95_MS));
}

async function byHand(world: World, secret: string): Promise<Side> {
  const name = world.nextName('deliver_by_hand');
  const databaseUrl = await world.postgres.create(name);
  await world.postgres.query(
    databaseUrl,
    `CREATE TABLE delivered (event_id uuid PRIMARY KEY, path text NOT NULL, status integer NOT NULL,
                             at timestamptz NOT NULL DEFAULT now())`,
  );
  const process = await world.run(name, 'dist/test/bench/deliver-by-hand.js', {
    DATABASE_URL: databaseUrl,
    SECRET: secret,
    NODE_ENV: 'production',
  });
  return { process, databaseUrl };
}

async function addEndpoints(
  { postgres }: World,
  { databaseUrl }: Side,
  url: string,
  secret: string,
): Promise<void> {
  for (let n = 0; n < ENDPOINTS; n++) {
    await postgres.query(
      databaseUrl,
      `INSERT INTO endpoints (id, service, url, secret) VALUES ($1, $2, $3, $4)`,
      [randomUUID(), `service-${n}`, `${url}/${n}`, `plain:whsec_${secret}`],
    );
  }
}

async function loopTurn(
  world: World,
  side: Side,
  receiver: BenchProcess,
  events: number,
): Promise<Cost> {
  const { child } = side.process;
  const bodies = Array.from({ length: events }, (_, n) => ({
    id: randomUUID(),
    body: JSON.stringify({
      type: 'job.failed',
      timestamp: new Date(),
      data: {
        id: randomUUID(),
        type: 'parse',
        status: 'failed',
        metadata: { invoice: n },
        error: ERROR,
      },
    }),
  }));
  const paths = Array.from({ length: ENDPOINTS }, (_, n) => `/${n}`);
  const plan: DeliverPlan = { origin: receiver.url, paths, bodies, concurrency: CONCURRENCY };
  const cost = await costOf(world, side, events, async () => {
    child.send(plan);
    await once(child, 'message');
  });
  await arrivalsOf(receiver);
  return cost;
}

const ERROR = {
  code: 'failed_upstream',
  message: 'The document cannot be opened.',
  retryable: false,
};

async function gatewayTurn(
  world: World,
  side: Side,
  receiver: BenchProcess,
  events: number,
): Promise<Cost> {
  const delivered = async (): Promise<number> => {
    const [row] = await world.postgres.query<{ count: number }>(side.databaseUrl, DELIVERED);
    return row?.count ?? 0;
  };
  const before = await delivered();
  // The clock starts at their commit: what ends jobs is measured in other scenarios.
  const values = [events, ENDPOINTS, JSON.stringify(ERROR)];
  await world.postgres.query(side.databaseUrl, END_JOBS, values);
  const cost = await costOf(world, side, events, async () => {
    const end = performance.now() + TIMEOUT_MILLISECONDS;
    await world.postgres.query(side.databaseUrl, NOTIFY);
    while ((await countOf(receiver)) < events) {
      await setTimeout(20);
      if (performance.now() > end) throw new Error('events do not arrive');
    }
    while ((await delivered()) < before + events) await setTimeout(10);
  });
  await arrivalsOf(receiver);
  return cost;
}

/** Milliseconds from the commit of an end to the arrival of its event, one at a time. */
async function idleTurn(world: World, side: Side, receiver: BenchProcess): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < IDLE_EVENTS; n++) {
    await setTimeout(100);
    await world.postgres.query(side.databaseUrl, END_JOBS, [1, ENDPOINTS, JSON.stringify(ERROR)]);
    const begin = Date.now();
    await world.postgres.query(side.databaseUrl, NOTIFY);
    while ((await countOf(receiver)) < 1) await setTimeout(1);
    const [arrival = Number.NaN] = await arrivalsOf(receiver);
    took.push(arrival - begin);
  }
  return took;
}

async function countOf({ child }: BenchProcess): Promise<number> {
  child.send('count');
  return Number((await once(child, 'message'))[0]);
}

async function arrivalsOf({ child }: BenchProcess): Promise<number[]> {
  child.send('arrivals');
  const [arrivals] = (await once(child, 'message')) as [number[]];
  return arrivals;
}

/** As the statements that end jobs write them. */
const END_JOBS = `
  WITH job AS (
    INSERT INTO jobs (id, service, type, status, metadata, error, settled_by, ended_at)
    SELECT gen_random_uuid(), 'service-' || n % $2::int, 'parse', 'failed', '{"invoice":' || n || '}', $3::jsonb,
           'webhook', now()
      FROM generate_series(1, $1::int) AS n
    RETURNING id)
  INSERT INTO event_outbox (job_id) SELECT id FROM job`;
const NOTIFY = `SELECT pg_notify('reducto_gateway', 'job_ended ')`;
const DELIVERED = `SELECT count(*)::int AS count FROM deliveries WHERE status = 'delivered'`;
