import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { freePort } from '../../src/dev/free-port.js';
import { awaitUpstreamJobs, sandboxOf, upstreamArrivals } from './bench-sandbox.js';
import type { BenchProcess } from './bench-process.js';
import { cpuSecondsOf } from './cpu-time.js';
import { percentile, spread } from './statistics.js';
import { submissionHeaders } from './submissions.js';
import { ratioLine } from './turns.js';
import type { Side, World } from './world.js';

const DOCUMENTS = 500;
/** Few enough that no job waits for a slot. */
const FEW_DOCUMENTS = 25;
const MAX_RATIO = 1.05;
const MAX_LAG_SECONDS = 0.5;
const MAX_ROUNDS = 5;
/** Long enough for a pass of the workers to find every dependent waiting. */
const QUICK = { queueMs: 50, runMs: 300, completingMs: 20 };

const SLEEPERS = 10_000;
/** Of another service, in one turn. */
const JOBS_BESIDE = 1000;
const MIN_RATIO_BESIDE = 0.95;
const IDLE_SECONDS = 20;
/** Jobs stay open until they are ended one by one. */
const OPEN = { queueMs: 86_400_000 };

const PARSE = { type: 'parse', input: 'https://example.com/a.pdf' };
const extractOf = (parse: string): object => ({ type: 'extract', input: `jobid://${parse}` });

/** Jobs that need the results of others: alone, and by the thousand beside another service. */
export async function measureChains(world: World, say: (line: string) => void): Promise<void> {
  await measureRatio(world, say);
  await measureSleepers(world, say);
}

async function measureRatio(world: World, say: (line: string) => void): Promise<void> {
  say(`${DOCUMENTS} documents, parse and extract: submitted together, or the extract after the`);
  say('parse has ended; one gateway process with all roles, a document takes 0.7 s upstream');
  const sandbox = await sandboxOf(world, QUICK);
  const sides: [string, Service][] = [['gateway', await gatewayOf(world, sandbox)]];
  const { beside } = world.options;
  if (beside !== undefined) {
    sides.push(['gateway beside', await gatewayOf(world, sandbox, resolve(beside))]);
  }
  for (const [, service] of sides) await chained(service);
  for (const [name, service] of sides) {
    const together: number[] = [];
    const after: number[] = [];
    const lags: number[] = [];
    for (let round = 0; round < Math.min(world.options.rounds, MAX_ROUNDS); round++) {
      const both = [
        async () => {
          const { seconds, pairs } = await chained(service);
          together.push(seconds);
          lags.push(...(await lagsOf(world, service, pairs)));
        },
        async () => void after.push(await sequential(service)),
      ];
      for (const turn of round % 2 === 0 ? both : both.toReversed()) await turn();
    }
    say(`  ${name}, submitted together  ${spread(together, 2)} s`);
    say(`  ${name}, one after the other ${spread(after, 2)} s`);
    const ratios = together.map((seconds, round) => seconds / (after[round] ?? Number.NaN));
    say(ratioLine(`${name}, together / one after the other`, ratios, 'at most', MAX_RATIO));
    const { pairs } = await chained(service, FEW_DOCUMENTS);
    const few = await lagsOf(world, service, pairs);
    const good = percentile(few, 1) <= MAX_LAG_SECONDS ? '✓' : '✗';
    say(`  ${name}, end of the parse → extract at Reducto: ${describeLags(lags)};`);
    say(
      `  ${good} with ${FEW_DOCUMENTS} documents: ${describeLags(few)}, wanted at most ${millis(MAX_LAG_SECONDS)}`,
    );
  }
}

async function measureSleepers(world: World, say: (line: string) => void): Promise<void> {
  say(
    `${SLEEPERS} extracts that wait for one parse, beside ${JOBS_BESIDE} jobs of another service;`,
  );
  say('one gateway process with all roles; the other one has no sleepers');
  const rates = { without: [] as number[], with: [] as number[] };
  const sandboxes = [await sandboxOf(world, OPEN), await sandboxOf(world, OPEN)] as const;
  const none = await gatewayOf(world, sandboxes[0]);
  const many = await gatewayOf(world, sandboxes[1]);
  const sleepers = { ...many, key: await world.keys.createApiKey(many.side.process.url, 'chains') };
  const parse = await submit(sleepers, PARSE);
  await awaitUpstreamJobs(sandboxes[1].url, 1);
  const accepted = await load(
    world,
    sleepers,
    Array.from({ length: SLEEPERS }, () => extractOf(parse)),
  );
  say(`  accepted at ${accepted.toFixed(0)}/s, asleep`);
  // As autovacuum does within a minute: plans of empty tables read whole tables.
  for (const { side } of [none, many]) await world.postgres.query(side.databaseUrl, 'ANALYZE');
  // Until sessions have reported what they have read.
  await setTimeout(12_000);
  const [asleep, awake] = await Promise.all([idleCost(world, many), idleCost(world, none)]);
  say(
    `  idle for ${IDLE_SECONDS} s: CPU of the gateway ${millis(asleep.cpu)} with sleepers, ${millis(awake.cpu)} without; rows of jobs read: ${asleep.rows} and ${awake.rows}`,
  );
  const bodies = Array.from({ length: JOBS_BESIDE }, () => PARSE);
  const turn = async (service: Service, sandbox: BenchProcess): Promise<number> => {
    const before = (await upstreamArrivals(sandbox.url)).length;
    await load(world, service, bodies);
    await awaitUpstreamJobs(sandbox.url, before + JOBS_BESIDE);
    const moments = (await upstreamArrivals(sandbox.url)).slice(before);
    const [first = Number.NaN] = moments;
    return ((moments.length - 1) * 1000) / ((moments.at(-1) ?? Number.NaN) - first);
  };
  await turn(none, sandboxes[0]);
  await turn(many, sandboxes[1]);
  for (let round = 0; round < world.options.rounds; round++) {
    const both = [
      async () => void rates.without.push(await turn(none, sandboxes[0])),
      async () => void rates.with.push(await turn(many, sandboxes[1])),
    ];
    for (const one of round % 2 === 0 ? both : both.toReversed()) await one();
  }
  say(`  jobs sent without sleepers ${spread(rates.without, 0)}/s`);
  say(`  jobs sent beside sleepers  ${spread(rates.with, 0)}/s`);
  const ratios = rates.with.map((rate, round) => rate / (rates.without[round] ?? Number.NaN));
  say(ratioLine('beside sleepers / without', ratios, 'at least', MIN_RATIO_BESIDE));
  await measureWakeUp(world, say, sleepers, sandboxes[1], parse);
}

async function measureWakeUp(
  world: World,
  say: (line: string) => void,
  service: Service,
  sandbox: BenchProcess,
  parse: string,
): Promise<void> {
  const before = (await upstreamArrivals(sandbox.url)).length;
  const [row] = await world.postgres.query<{ upstream_id: string }>(
    service.side.databaseUrl,
    'SELECT upstream_id FROM jobs WHERE id = $1',
    [parse],
  );
  await request(`${sandbox.url}/control/jobs/${row?.upstream_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"action": "complete"}',
  });
  await awaitUpstreamJobs(sandbox.url, before + SLEEPERS);
  const moments = (await upstreamArrivals(sandbox.url)).slice(before);
  const [end] = await world.postgres.query<{ at: number }>(
    service.side.databaseUrl,
    'SELECT extract(epoch FROM ended_at)::float8 * 1000 AS at FROM jobs WHERE id = $1',
    [parse],
  );
  const since = (moment: number | undefined): number =>
    ((moment ?? Number.NaN) - (end?.at ?? Number.NaN)) / 1000;
  const first = since(moments[0]);
  say(
    `  ${first <= MAX_LAG_SECONDS ? '✓' : '✗'} the end of the parse → first extract at Reducto ${millis(first)}, wanted at most ${millis(MAX_LAG_SECONDS)}; the last of ${SLEEPERS} after ${since(moments.at(-1)).toFixed(1)} s`,
  );
}

/** What an idle gateway costs. */
async function idleCost(
  { postgres }: World,
  { side }: Service,
): Promise<{ cpu: number; rows: number }> {
  const used = async (): Promise<[number, number]> => {
    const [table] = await postgres.query<{ rows: number }>(
      side.databaseUrl,
      `SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 AS rows
         FROM pg_stat_user_tables WHERE relname = 'jobs'`,
    );
    return [cpuSecondsOf(side.process.child.pid) ?? Number.NaN, table?.rows ?? Number.NaN];
  };
  const [cpu, rows] = await used();
  await setTimeout(IDLE_SECONDS * 1000);
  const [cpuAfter, rowsAfter] = await used();
  return { cpu: cpuAfter - cpu, rows: rowsAfter - rows };
}

interface Service {
  readonly side: Side;
  readonly key: string;
}

async function gatewayOf(world: World, sandbox: BenchProcess, folder?: string): Promise<Service> {
  const port = String(await freePort());
  const side = await world.gateway('api,webhooks,worker', {
    environment: {
      REDUCTO_BASE_URL: sandbox.url,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      PORT: port,
      // The limit is not to be what is measured.
      REDUCTO_SUBMITS_PER_SECOND: '100000',
      REDUCTO_POLLS_PER_SECOND: '100000',
    },
    ...(folder === undefined ? {} : { folder }),
  });
  return { side, key: await world.keys.createApiKey(side.process.url) };
}

interface Chained {
  readonly seconds: number;
  readonly pairs: readonly { readonly parse: string; readonly extract: string }[];
}

async function chained(service: Service, documents = DOCUMENTS): Promise<Chained> {
  const begin = performance.now();
  const pairs = await Promise.all(
    Array.from({ length: documents }, async () => {
      const parse = await submit(service, PARSE);
      const extract = await submit(service, extractOf(parse));
      await awaitEnd(service, extract);
      return { parse, extract };
    }),
  );
  return { seconds: (performance.now() - begin) / 1000, pairs };
}

async function sequential(service: Service): Promise<number> {
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: DOCUMENTS }, async () => {
      const parse = await submit(service, PARSE);
      await awaitEnd(service, parse);
      await awaitEnd(service, await submit(service, extractOf(parse)));
    }),
  );
  return (performance.now() - begin) / 1000;
}

/** Seconds from the end of each parse to Reducto’s answer to the submission of its extract. */
async function lagsOf(
  { postgres }: World,
  { side }: Service,
  pairs: Chained['pairs'],
): Promise<number[]> {
  const rows = await postgres.query<{ lag: number }>(
    side.databaseUrl,
    `SELECT extract(epoch FROM extract.submitted_at - parse.ended_at)::float8 AS lag
       FROM unnest($1::uuid[], $2::uuid[]) AS pair (parse_id, extract_id)
       JOIN jobs AS parse ON parse.id = parse_id JOIN jobs AS extract ON extract.id = extract_id`,
    [pairs.map(({ parse }) => parse), pairs.map(({ extract }) => extract)],
  );
  return rows.map(({ lag }) => lag);
}

const agent = new Agent({ connections: DOCUMENTS, headersTimeout: 60_000 });

async function submit({ side, key }: Service, job: object): Promise<string> {
  const { statusCode, body } = await request(`${side.process.url}/v1/jobs`, {
    method: 'POST',
    dispatcher: agent,
    headers: submissionHeaders(key),
    body: JSON.stringify(job),
  });
  const { id } = (await body.json()) as { id?: unknown };
  if (statusCode !== 202 || typeof id !== 'string') throw new Error(`status ${statusCode}`);
  return id;
}

async function awaitEnd({ side, key }: Service, id: string): Promise<void> {
  for (let tries = 0; tries < 10; tries++) {
    const { body } = await request(`${side.process.url}/v1/jobs/${id}?wait=30`, {
      dispatcher: agent,
      headers: submissionHeaders(key),
    });
    const { status } = (await body.json()) as { status?: unknown };
    if (status === 'completed') return;
    if (status !== 'queued' && status !== 'submitted')
      throw new Error(`a job is ${String(status)}`);
  }
  throw new Error('a job has not ended');
}

async function load(
  world: World,
  { side, key }: Service,
  jobs: readonly object[],
): Promise<number> {
  const { perSecond } = await world.load.run({
    url: `${side.process.url}/v1/jobs`,
    headers: submissionHeaders(key),
    bodies: jobs.map((job) => JSON.stringify(job)),
    again: false,
    expected: 202,
    connections: 32,
    seconds: 600,
  });
  return perSecond;
}

function describeLags(seconds: readonly number[]): string {
  const [p50, p99, longest] = [0.5, 0.99, 1].map((share) => millis(percentile(seconds, share)));
  return `p50 ${p50}, p99 ${p99}, longest ${longest}`;
}

function millis(seconds: number | undefined): string {
  return `${((seconds ?? Number.NaN) * 1000).toFixed(0)} ms`;
}
