import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeLoad } from './machine.js';
import { readOptions } from './options.js';
import { World } from './world.js';

/*
 * How far three processes with one database exceed the limits of Reducto in the busiest minute. Both kinds of requests have
 * more to do than their limit allows. The upstream notes when each request comes.
 */

const HELP = `Measures how far three processes exceed the limits of submits and polls that they share.

  npm run bench:limits [-- --seconds 60] [-- --rates 50,500]
`;
const PROCESSES = 3;
const MAX_OVERSHOOT = 0.01;
/** Beyond the measured time, so that the busiest minute lies within it. */
const MORE_SECONDS = 5;

const QUEUED = `
  INSERT INTO jobs (id, service, type, priority, request, next_check_at)
  SELECT gen_random_uuid(), 'bench', 'parse', false, '{"input": "https://example.com/a.pdf"}', now()
    FROM generate_series(1, $1::int)`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rates: { type: 'string', default: '50,500' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  say(HELP);
} else {
  const options = readOptions([]);
  if (options === undefined) throw new Error('the bench has no options');
  const world = await World.start(options);
  try {
    say(
      `${PROCESSES} processes, one database; the busiest ${values.seconds} s of each kind of request`,
    );
    for (const rate of values.rates.split(',').map(Number)) {
      const { mark } = world;
      await measureLimits(world, rate, Number(values.seconds));
      await world.stopSince(mark);
    }
    say(describeLoad());
  } finally {
    await world.close();
  }
}

async function measureLimits(world: World, rate: number, seconds: number): Promise<void> {
  const upstream = await startUpstream();
  const databaseUrl = await world.postgres.create(world.nextName('limits'));
  const environment = {
    REDUCTO_BASE_URL: upstream.url,
    REDUCTO_SUBMITS_PER_SECOND: String(rate),
    REDUCTO_POLLS_PER_SECOND: String(rate),
    POLL_SCHEDULE_SECONDS: '1',
    RECONCILE_INTERVAL_SECONDS: '3600',
  };
  for (let n = 0; n < PROCESSES; n++) await world.gateway('worker', { environment, databaseUrl });
  await world.postgres.query(databaseUrl, QUEUED, [rate * (seconds + 2 * MORE_SECONDS)]);
  await setTimeout((seconds + MORE_SECONDS) * 1000);
  upstream.close();
  for (const [kind, times] of Object.entries(upstream.times)) {
    const allowed = rate * seconds;
    const most = busiest(times, seconds * 1000);
    const overshoot = most / allowed - 1;
    const good = overshoot <= MAX_OVERSHOOT ? '✓' : '✗';
    say(
      `  ${good} ${rate}/s, ${kind}: ${most} of ${allowed}, ${(overshoot * 100).toFixed(2)} %, wanted at most +${MAX_OVERSHOOT * 100} %`,
    );
  }
}

/** The largest number of `times` within `milliseconds`. */
function busiest(times: readonly number[], milliseconds: number): number {
  let first = 0;
  let most = 0;
  times.forEach((time, last) => {
    while ((times[first] ?? time) <= time - milliseconds) first += 1;
    most = Math.max(most, last - first + 1);
  });
  return most;
}

/** Takes every submit, and says of every job that it is pending. */
async function startUpstream(): Promise<{
  url: string;
  times: Record<'submits' | 'polls', number[]>;
  close: () => void;
}> {
  const times = { submits: [] as number[], polls: [] as number[] };
  const server = createServer((request, response) => {
    const isSubmit = request.method === 'POST' && request.url?.endsWith('_async') === true;
    if (isSubmit) times.submits.push(performance.now());
    else if (request.url?.startsWith('/job/') === true) times.polls.push(performance.now());
    request.resume().on('end', () => {
      const body = isSubmit
        ? { job_id: randomUUID() }
        : { status: 'Pending', jobs: [], next_cursor: null };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, times, close };
}
