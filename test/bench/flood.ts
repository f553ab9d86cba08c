import { setTimeout } from 'node:timers/promises';
import type { LoadResult } from './load-plan.js';
import { median } from './statistics.js';
import { CALLBACK_HEADERS, forgedCallbacks, newCallbacks } from './waiting-callbacks.js';
import type { Side, World } from './world.js';

const GENUINE_PER_SECOND = 100;
const FLOOD_CONNECTIONS = 16;
const ADDRESSES = 20_000;
/** Longer is a burst of its own; shorter is no burst. */
const MAX_EXTRA_MS = 10;
/** What the audit counts is written once a second. */
const AUDIT_DELAY_MS = 3000;

/** Genuine callbacks, alone and beside forged ones that come as fast as they are answered. */
export async function measureFlood(world: World, say: (line: string) => void): Promise<void> {
  const { rounds, seconds } = world.options;
  say(
    `genuine callbacks at ${GENUINE_PER_SECOND}/s, alone and beside forged ones that come at the maximum rate over`,
  );
  say(`${FLOOD_CONNECTIONS} connections, from ${ADDRESSES} addresses that a trusted proxy names`);
  const receiver = await world.gateway('webhooks', {
    environment: { TRUSTED_PROXIES: '127.0.0.1', WEBHOOK_IP_ALLOWLIST: '127.0.0.1,198.18.0.0/15' },
  });
  const flood = await world.anotherLoad();
  const url = `${receiver.process.url}/webhooks/reducto`;
  const forge = (): Promise<LoadResult> =>
    flood.run({
      url,
      headers: CALLBACK_HEADERS,
      bodies: forgedCallbacks(ADDRESSES),
      addresses: ADDRESSES,
      again: true,
      expected: 401,
      connections: FLOOD_CONNECTIONS,
      seconds,
    });
  let forged = 0;
  const alone: LoadResult[] = [];
  const beside: LoadResult[] = [];
  const rates: number[] = [];
  await genuine(world, receiver, url, seconds);
  forged += (await forge()).answers;
  for (let round = 0; round < rounds; round++) {
    alone.push(await genuine(world, receiver, url, seconds));
    const [during, refused] = await Promise.all([genuine(world, receiver, url, seconds), forge()]);
    beside.push(during);
    rates.push(refused.perSecond);
    forged += refused.answers;
  }
  const of = (value: (result: LoadResult) => number, results: readonly LoadResult[]): number =>
    median(results.map(value));
  const p50 = ({ p50Ms }: LoadResult): number => p50Ms;
  const p99 = ({ p99Ms }: LoadResult): number => p99Ms;
  const line = (name: string, results: readonly LoadResult[]): string =>
    `  ${name.padEnd(18)}p50 ${of(p50, results).toFixed(1)} ms, p99 ${of(p99, results).toFixed(1)} ms`;
  say(line('alone', alone));
  say(`${line('beside the flood', beside)}; ${median(rates).toFixed(0)} forged ones/s`);
  const extra = of(p50, beside) - of(p50, alone);
  const quick = extra <= MAX_EXTRA_MS;
  say(`  ${quick ? '✓' : '✗'} p50, more by ${extra.toFixed(1)} ms, wanted at most ${MAX_EXTRA_MS}`);
  await setTimeout(AUDIT_DELAY_MS);
  const [audit] = await world.postgres.query<{ entries: number; sum: number; bytes: number }>(
    receiver.databaseUrl,
    `SELECT count(*)::integer AS entries, sum(count)::integer AS sum,
            (pg_total_relation_size('audit_entries') + pg_total_relation_size('audit_originals'))::integer AS bytes
       FROM audit_entries WHERE kind IN ('refused', 'counted')`,
  );
  const exact = audit?.sum === forged;
  say(
    `  ${exact ? '✓' : '✗'} the audit counts ${audit?.sum} of ${forged} forged ones, in ${audit?.entries} entries and ${((audit?.bytes ?? 0) / 1e6).toFixed(1)} MB`,
  );
}

async function genuine(
  { postgres, keys, load }: World,
  { databaseUrl }: Side,
  url: string,
  seconds: number,
): Promise<LoadResult> {
  const count = GENUINE_PER_SECOND * Math.ceil(seconds);
  const bodies = await newCallbacks(postgres, databaseUrl, 'gateway', count, keys);
  return load.run({
    url,
    headers: { ...CALLBACK_HEADERS, 'x-forwarded-for': '198.18.0.1' },
    bodies,
    again: false,
    expected: 200,
    connections: 16,
    seconds,
    perSecond: GENUINE_PER_SECOND,
  });
}
