import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { Pool } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { startCuttingProxy, type Cut } from '../support/cutting-proxy.js';
import { endJob } from '../support/endpoints.js';
import { newDatabase, startGateway } from '../support/gateway.js';
import { cleanUp, cleanUps, end, start, type Started } from '../support/processes.js';
import { accept, startReceiver, type Receiver } from '../support/receiver.js';

/*
 * Each end has exactly one event, which each endpoint that it matches gets at least once, wherever a worker is killed or
 * cut off: between an end and its event, between the event and its deliveries, and between a request and its record.
 */

afterEach(cleanUp);

const SERVICES = ['one', 'two'];
/** Paths of the endpoints of each service that match every event, and of one that matches none. */
const MATCHING = ['all', 'failed'];
const OTHER = 'completed';

interface Scene {
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly receiver: Receiver;
  /** The ended jobs, with their services. */
  readonly jobs: Map<string, string>;
  /** Ends a job of one of the services. */
  endJob(): Promise<void>;
}

async function prepare(onRequest: () => void = () => undefined): Promise<Scene> {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const pool = new Pool({ connectionString: database.url, max: 4 });
  pool.on('error', () => undefined);
  cleanUps.push(() => pool.end());
  const receiver = await startReceiver((socket, request) => {
    onRequest();
    accept(socket, request);
  });
  cleanUps.push(() => receiver.close());
  const origin = new URL(receiver.url).origin;
  const secret = `plain:whsec_${randomBytes(32).toString('base64')}`;
  const types = { all: null, failed: ['job.failed'], completed: ['job.completed'] };
  for (const service of SERVICES) {
    for (const [name, eventTypes] of Object.entries(types)) {
      await pool.query(
        `INSERT INTO endpoints (id, service, url, secret, event_types, last_success_at)
         VALUES ($1, $2, $3, $4, $5, now())`,
        [randomUUID(), service, `${origin}/${service}/${name}`, secret, eventTypes],
      );
    }
  }
  const jobs = new Map<string, string>();
  let ended = 0;
  return {
    databaseUrl: database.url,
    pool,
    receiver,
    jobs,
    endJob: async () => {
      const service = SERVICES[(ended += 1) % SERVICES.length] ?? '';
      jobs.set(await endJob({ pool }, service), service);
    },
  };
}

async function countOf({ pool }: Scene, rows: string): Promise<number> {
  return (await pool.query(`SELECT count(*)::integer AS count FROM ${rows}`)).rows[0].count;
}

/** Waits until everything is delivered, and compares what the receiver got with the ends. */
async function verify(scene: Scene): Promise<void> {
  const { pool, receiver, jobs } = scene;
  await expect
    .poll(() => countOf(scene, `deliveries WHERE status = 'delivered'`))
    .toBe(jobs.size * MATCHING.length);
  expect(await countOf(scene, 'event_outbox')).toBe(0);
  expect(await countOf(scene, 'deliveries')).toBe(jobs.size * MATCHING.length);
  const { rows } = await pool.query<{ id: string; job_id: string }>(
    'SELECT id, job_id FROM events',
  );
  const eventOf = new Map(rows.map(({ id, job_id: jobId }) => [jobId, id]));
  expect(rows).toHaveLength(jobs.size);
  expect(new Set(eventOf.keys())).toEqual(new Set(jobs.keys()));
  const received = new Set(
    receiver.requests.map(({ line, headers, body }) => {
      const path = line.split(' ')[1] ?? '';
      return `${path} ${headers['webhook-id']} ${JSON.parse(body.toString()).data.id}`;
    }),
  );
  const wanted = [...jobs].flatMap(([jobId, service]) =>
    MATCHING.map((name) => `/${service}/${name} ${eventOf.get(jobId)} ${jobId}`),
  );
  expect([...received].filter((one) => !wanted.includes(one))).toEqual([]);
  expect(wanted.filter((one) => !received.has(one))).toEqual([]);
  expect([...received].some((one) => one.includes(OTHER))).toBe(false);
}

const KILLS = 36;
const WORKERS = 3;
const ENDS_PER_KILL = 8;
/** Longer than it takes from an end to its event, and from a request to its record. */
const LATEST_MILLISECONDS = 40;

it('workers killed with SIGKILL again and again lose no event, and each end has exactly one', async () => {
  let onRequest: (() => void) | undefined;
  const scene = await prepare(() => onRequest?.());
  const live: Started[] = [];
  const starting = new Set<Promise<void>>();
  const startWorker = async (): Promise<void> => {
    const worker = await start({
      DATABASE_URL: scene.databaseUrl,
      REDUCTO_API_KEY: 'unused',
      REDUCTO_BASE_URL: 'http://127.0.0.1:9',
      WEBHOOK_MODE: 'none',
      ROLES: 'worker',
      LOG_FORMAT: 'json',
      DELIVERY_ENDPOINT_CONCURRENCY: '100',
    });
    live.push(worker);
  };
  const launch = (): void => {
    const started = startWorker().then(() => void starting.delete(started));
    starting.add(started);
  };
  for (let n = 0; n < WORKERS; n++) launch();
  for (let kill = 0; kill < KILLS; kill++) {
    while (live.length < 2) await Promise.race(starting);
    const victim = live.splice(kill % 2, 1)[0];
    if (victim === undefined) throw new Error('no worker runs');
    const struck = Promise.withResolvers<unknown>();
    const strike = (): void => {
      onRequest = undefined;
      const killed = setTimeout(Math.random() * LATEST_MILLISECONDS).then(() =>
        end(victim.child, 'SIGKILL'),
      );
      struck.resolve(killed);
    };
    // Every second one is killed after a request of some worker, the others after an end.
    if (kill % 2 === 0) onRequest = strike;
    const ends = Array.from({ length: ENDS_PER_KILL }, async () => {
      await setTimeout(Math.random() * LATEST_MILLISECONDS);
      await scene.endJob();
    });
    if (kill % 2 === 1) strike();
    await Promise.all([...ends, struck.promise]);
    launch();
  }
  await Promise.all(starting);
  await verify(scene);
  expect(scene.jobs.size).toBe(KILLS * ENDS_PER_KILL);
}, 300_000);

const CUTS = 300;
const STATEMENTS = ['events-insert', 'deliveries-insert', 'deliveries-lease', 'deliveries-record'];
const PLACES = [...STATEMENTS, 'COMMIT deliveries-insert', 'COMMIT deliveries-lease'];
const MAX_OPEN = 60;

it('connections cut at every statement on the way of an event lose no event, and make no second one', async () => {
  const scene = await prepare();
  const cuts = new Map<string, number>();
  const total = (): number => [...cuts.values()].reduce((sum, count) => sum + count, 0);
  const decide = (statement: string): Cut | undefined => {
    if (total() >= CUTS || Math.random() < 0.5) return undefined;
    const where = Math.random() < 0.5 ? 'before' : 'after';
    const key = `${where} ${statement}`;
    cuts.set(key, (cuts.get(key) ?? 0) + 1);
    return where;
  };
  for (let n = 0; n < 3; n++) {
    const url = new URL(scene.databaseUrl);
    const proxy = await startCuttingProxy(Number(url.port), STATEMENTS, decide);
    url.port = String(proxy.port);
    const gateway = await startGateway({
      DATABASE_URL: url.href,
      ROLES: 'worker',
      DELIVERY_ENDPOINT_CONCURRENCY: '100',
    });
    cleanUps.push(() => proxy.close());
    cleanUps.push(() => gateway.close());
  }
  while (total() < CUTS) {
    const open = await countOf(scene, `deliveries WHERE status = 'pending'`);
    if (open < MAX_OPEN && (await countOf(scene, 'event_outbox')) < MAX_OPEN) {
      await Promise.all(Array.from({ length: 5 }, () => scene.endJob()));
    }
    await setTimeout(20);
  }
  await verify(scene);
  const places = PLACES.flatMap((statement) => [`before ${statement}`, `after ${statement}`]);
  expect([...cuts.keys()]).toEqual(expect.arrayContaining(places));
}, 300_000);
