import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';
import type { DeadEndpoint } from './dead-endpoint-plan.js';
import { createEndpoint, DELIVERY_SETTINGS, EventReceiver } from './delivery-world.js';
import { percentile, spread } from './statistics.js';
import { ratioLine } from './turns.js';
import type { Side, World } from './world.js';

const ENDPOINTS = 100;
const ENDS_PER_SECOND = 100;
/** Short turns and many rounds: a slow moment of the machine hits few of them. */
const EVENTS = 600;
const ROUNDS = 3;
/** The dead endpoint was not dead before, and gets ten times the events of another. */
const DEAD_SHARE = 10;
const MAX_RATIO = 1.1;

/** The turns of a round. The two without a dead endpoint tell how much the machine varies by itself. */
const TURNS = {
  answers: 'answers',
  hangs: 'hangs',
  refuses: 'refuses',
  'answers again': 'answers',
} as const satisfies Record<string, DeadEndpoint>;

/** What one endpoint of 100 that does not answer does to the p95 of the others. */
export async function measureDeadEndpoint(
  world: World,
  say: (line: string) => void,
): Promise<void> {
  say(
    `${ENDPOINTS} endpoints, ${ENDS_PER_SECOND} ends/s, ${EVENTS} events a turn to 99 of them; one is dead,`,
  );
  say(`and gets ${DEAD_SHARE} times the events of another`);
  const receiver = await EventReceiver.start(world);
  const side = await world.gateway('api,worker', { environment: DELIVERY_SETTINGS });
  const database = new Client({ connectionString: side.databaseUrl });
  await database.connect();
  const p95s: Record<string, number[]> = {};
  for (let round = 0; round < world.options.rounds * ROUNDS; round++) {
    const order = Object.entries(TURNS);
    for (const [name, kind] of round % 2 === 0 ? order : order.toReversed()) {
      const ages = await turn(world, side, database, receiver, kind);
      (p95s[name] ??= []).push(percentile(ages, 0.95));
    }
  }
  await database.end();
  const { answers = [], 'answers again': again = [] } = p95s;
  for (const [name, all] of Object.entries(p95s)) {
    say(`  one ${name.padEnd(14)} p95 ${spread(all, 1)} ms`);
  }
  const usual = answers.map((one, round) => (one + (again[round] ?? Number.NaN)) / 2);
  say(`  noise, one answers again / answers: ${spread(ratios(again, answers), 2)}`);
  for (const name of ['hangs', 'refuses'] as const) {
    const line = `p95, one ${name} / answers`;
    say(ratioLine(line, ratios(p95s[name] ?? [], usual), 'at most', MAX_RATIO));
  }
}

/** Round by round. */
function ratios(values: readonly number[], others: readonly number[]): number[] {
  return values.map((value, round) => value / (others[round] ?? Number.NaN));
}

/** A service of its own for each turn, so that nothing is left of the one before. */
async function turn(
  world: World,
  side: Side,
  database: Client,
  receiver: EventReceiver,
  kind: DeadEndpoint,
): Promise<readonly number[]> {
  const service = world.nextName('service');
  const key = await world.keys.createApiKey(side.process.url, service);
  const dead = await receiver.setDead('answers');
  const ids = [await createEndpoint(side.process, key, { url: dead, channels: ['c0'] })];
  while (ids.length < ENDPOINTS) {
    const channels = [`c${ids.length}`];
    ids.push(await createEndpoint(side.process, key, { url: receiver.url, channels }));
  }
  const warmUp = receiver.awaitEvents(ENDPOINTS - 1);
  for (let n = 0; n < ENDPOINTS; n++) await endJob(database, service, n);
  await warmUp;
  await receiver.setDead(kind);
  const arrived = receiver.awaitEvents(EVENTS);
  const begin = performance.now();
  const all = EVENTS + Math.floor((EVENTS * DEAD_SHARE) / (ENDPOINTS - 1));
  const everyNth = Math.floor(all / (all - EVENTS));
  let good = 0;
  for (let n = 0; good < EVENTS; n++) {
    await setTimeout(Math.max(begin + (n * 1000) / ENDS_PER_SECOND - performance.now(), 0));
    const isDead = n % everyNth === 0;
    await endJob(database, service, isDead ? 0 : 1 + (good % (ENDPOINTS - 1)));
    if (!isDead) good += 1;
  }
  const ages = await arrived;
  for (const id of ids) {
    const headers = { authorization: `Bearer ${key}` };
    await fetch(`${side.process.url}/v1/endpoints/${id}`, { method: 'DELETE', headers });
  }
  return ages;
}

async function endJob(database: Client, service: string, channel: number): Promise<void> {
  await database.query({ ...END_JOB, values: [service, `c${channel}`] });
}

const END_JOB = {
  name: 'end-job',
  text: `
  WITH job AS (
    INSERT INTO jobs (id, service, type, status, channels, ended_at, settled_by)
    VALUES (gen_random_uuid(), $1, 'parse', 'failed', ARRAY[$2::text], now(), 'webhook')
    RETURNING id),
  outbox AS (INSERT INTO event_outbox (job_id) SELECT id FROM job RETURNING job_id)
  SELECT pg_notify('reducto_gateway', 'job_ended ' || min(job_id::text)) FROM outbox`,
};
