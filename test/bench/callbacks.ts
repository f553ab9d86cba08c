import type { World } from './world.js';
import { CALLBACK_HEADERS, forgedCallbacks, newCallbacks } from './waiting-callbacks.js';
import {
  gatewaysIn,
  ratioLine,
  ratioOf,
  tableOf,
  takeTurns,
  warmUp,
  type Contestant,
} from './turns.js';
import type { BenchProcess } from './bench-process.js';

type Say = (line: string) => void;

/** More than any side answers: a turn must not end for want of callbacks. */
const MAX_PER_SECOND = 9_000;

/** The load: as fast as `connections` allow, or a rate per second. */
export interface Pressure {
  readonly connections: number;
  readonly awake?: boolean;
  readonly perSecond?: number;
}

/** A server whose callbacks are all new, each for a job of its own. */
export function takesCallbacks(
  world: World,
  name: string,
  tables: 'gateway' | 'by hand',
  side: { process: BenchProcess; databaseUrl: string },
  pressure: Pressure,
): Contestant {
  let perSecond = pressure.perSecond ?? MAX_PER_SECOND;
  return {
    name,
    process: side.process,
    ready: async (seconds) => {
      const count = Math.ceil(perSecond * seconds);
      const { postgres, keys } = world;
      const bodies = await newCallbacks(postgres, side.databaseUrl, tables, count, keys);
      return async () => {
        const result = await world.load.run({
          url: `${side.process.url}/webhooks/reducto`,
          headers: CALLBACK_HEADERS,
          bodies,
          again: false,
          expected: 200,
          seconds,
          ...pressure,
        });
        // The next turn needs about as many; to make too many costs more than the turn itself.
        if (pressure.perSecond === undefined) perSecond = Math.max(result.perSecond * 1.7, 500);
        return result;
      };
    },
  };
}

/** A server that gets the same few bodies again and again. */
export function takesAnything(
  world: World,
  name: string,
  process: BenchProcess,
  expected: number,
  pressure: Pressure,
): Contestant {
  return {
    name,
    process,
    ready: (seconds) => {
      const bodies = forgedCallbacks(1000);
      return Promise.resolve(() =>
        world.load.run({
          url: `${process.url}/webhooks/reducto`,
          headers: CALLBACK_HEADERS,
          bodies,
          again: true,
          expected,
          seconds,
          ...pressure,
        }),
      );
    },
  };
}

/** All connections are always busy. */
export async function measureCallbacks(world: World, say: Say): Promise<void> {
  const { connections, rounds, seconds } = world.options;
  say(
    `callbacks, ${connections} connections at the maximum rate, each callback for a job of its own;`,
  );
  say(
    `the gateway has ROLES=${world.options.roles}: with webhooks alone, what follows is left to others`,
  );
  const contestants = await sides(world, { flatOut: { connections } });
  const turns = await takeTurns(world, contestants.flatOut, rounds, seconds);
  tableOf(turns).forEach(say);
  for (const name of gatewaysIn(turns)) {
    const rate = (other: string): number[] =>
      ratioOf(turns, name, other, ({ perSecond }) => perSecond);
    say(ratioLine(`throughput, ${name} / by hand`, rate('by hand'), 'at least', 2));
    say(ratioLine(`throughput, ${name} / floor`, rate('floor'), 'at least', 0.3));
    const p99 = ratioOf(turns, name, 'by hand', ({ p99Ms }) => p99Ms);
    say(ratioLine(`p99, ${name} / by hand`, p99, 'at most', 1));
  }
}

/** So few that nothing has to wait for anything else. */
export async function measureQuiet(world: World, say: Say): Promise<void> {
  const { connections, rounds, seconds } = world.options;
  say('callbacks, a quiet 200/s at appointed times; latency since the appointed time');
  const pressures = { flatOut: { connections }, quiet: { connections: 16, perSecond: 200 } };
  const contestants = await sides(world, pressures);
  await warmUp(contestants.flatOut);
  const turns = await takeTurns(world, contestants.quiet, rounds, seconds);
  tableOf(turns).forEach(say);
  for (const name of gatewaysIn(turns)) {
    const p50 = ratioOf(turns, name, 'by hand', ({ p50Ms }) => p50Ms);
    say(ratioLine(`p50, ${name} / by hand`, p50, 'at most', 1.3));
  }
}

/** The same three servers under each of `pressures`. */
async function sides<Name extends string>(
  world: World,
  pressures: Record<Name, Pressure>,
): Promise<Record<Name, Contestant[]>> {
  const floor = await world.floor();
  const byHand = await world.byHand();
  const gateways = await world.gateways(world.options.roles);
  const under = (pressure: Pressure): Contestant[] => [
    takesAnything(world, 'floor', floor, 200, pressure),
    takesCallbacks(world, 'by hand', 'by hand', byHand, pressure),
    ...gateways.map(([name, side]) => takesCallbacks(world, name, 'gateway', side, pressure)),
  ];
  const entries = Object.entries<Pressure>(pressures);
  return Object.fromEntries(entries.map(([name, pressure]) => [name, under(pressure)])) as Record<
    Name,
    Contestant[]
  >;
}
