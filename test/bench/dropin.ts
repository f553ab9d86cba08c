import { setTimeout } from 'node:timers/promises';
import Reducto from 'reductoai';
import { freePort } from '../../src/dev/free-port.js';
import { sandboxOf } from './bench-sandbox.js';
import { median, percentile } from './statistics.js';
import { steadyMs } from './steady-clock.js';
import type { World } from './world.js';

const SAMPLES = 300;
/** Of each side, without pauses: the compiler wants many. */
const WARM_UP = 200;
const WANTED = { p50: 20, p99: 60 };
const INPUT = 'https://example.com/a.pdf';
const QUICK = { queueMs: 5, runMs: 40, completingMs: 5, webhookDelayMs: 0 };

/** A synchronous call of the SDK through the gateway and straight to the upstream, in turns, with nothing else to do. */
export async function measureDropIn(world: World, say: (line: string) => void): Promise<void> {
  say(`a synchronous parse of the SDK, idle, ${SAMPLES} times through the gateway and straight to`);
  say('the sandbox, in turns; one gateway process with all roles, the upstream takes 50 ms');
  const sandbox = await sandboxOf(world, QUICK);
  const port = await freePort();
  const { process, databaseUrl } = await world.gateway('api,webhooks,worker', {
    environment: {
      PORT: String(port),
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      REDUCTO_BASE_URL: sandbox.url,
    },
  });
  const apiKey = await world.keys.createApiKey(process.url, 'dropin');
  const through = new Reducto({ apiKey, baseURL: `${process.url}/reducto`, maxRetries: 0 });
  const straight = new Reducto({ apiKey: 'sandbox-key', baseURL: sandbox.url, maxRetries: 0 });
  for (let n = 0; n < WARM_UP; n++) await Promise.all([timeOf(through), timeOf(straight)]);
  const commits = async (): Promise<number> => {
    // Until sessions have reported their commits.
    await setTimeout(12_000);
    const [row] = await world.postgres.query<{ commits: number }>(databaseUrl, COMMITS);
    return row?.commits ?? Number.NaN;
  };
  const before = await commits();
  const begin = steadyMs();
  const sides = { through: [] as number[], straight: [] as number[] };
  for (let n = 0; n < SAMPLES; n++) {
    const turns = [
      async () => void sides.through.push(await timeOf(through)),
      async () => void sides.straight.push(await timeOf(straight)),
    ];
    for (const turn of n % 2 === 0 ? turns : turns.toReversed()) {
      await turn();
      // Not in step with anything that is periodic.
      await setTimeout(20 + Math.random() * 20);
    }
  }
  const seconds = (steadyMs() - begin) / 1000;
  const after = await commits();
  // An idle gateway commits, too.
  const idle = await commits();
  const perCall = (after - before - ((idle - after) / IDLE_SECONDS) * seconds) / SAMPLES;
  const added = {
    p50: median(sides.through) - median(sides.straight),
    p99: percentile(sides.through, 0.99) - percentile(sides.straight, 0.99),
  };
  for (const [name, all] of Object.entries(sides)) {
    say(
      `  ${name.padEnd(9)} p50 ${median(all).toFixed(1)} ms, p99 ${percentile(all, 0.99).toFixed(1)} ms`,
    );
  }
  for (const name of ['p50', 'p99'] as const) {
    const good = added[name] <= WANTED[name] ? '✓' : '✗';
    say(`  ${good} added ${name}: ${added[name].toFixed(1)} ms, wanted at most ${WANTED[name]}`);
  }
  say(`  commits per call: ${perCall.toFixed(1)}`);
}

/** Between two reads of the commits. */
const IDLE_SECONDS = 12;

const COMMITS = `SELECT xact_commit::float8 AS commits FROM pg_stat_database WHERE datname = current_database()`;

async function timeOf(client: Reducto): Promise<number> {
  const begin = steadyMs();
  const answer = await client.parse.run({ input: INPUT });
  const end = steadyMs();
  if (!('result' in answer)) throw new Error('a call was answered without a result');
  return end - begin;
}
