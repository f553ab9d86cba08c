import type { BenchProcess } from './bench-process.js';
import type { LoadResult } from './load-plan.js';
import { cpuSecondsOf } from './cpu-time.js';
import type { Postgres } from './postgres.js';
import type { World } from './world.js';
import { median, spread } from './statistics.js';

/** One of the sides of a comparison. */
export interface Contestant {
  readonly name: string;
  readonly process: BenchProcess;
  /** Makes ready what a turn of `seconds` needs; the answer takes the turn. */
  ready(seconds: number): Promise<() => Promise<LoadResult>>;
}

export interface Turn extends LoadResult {
  /** Of the process that answered. */
  readonly cpuMicrosPerAnswer: number;
  /** Of the database, all its processes together. */
  readonly databaseMicrosPerAnswer: number;
}

export type Turns = ReadonlyMap<string, readonly Turn[]>;

/** Long enough to compile every path; its results are discarded. */
const WARM_UP_SECONDS = 3;

/** Lets the compiler see every path often enough, which a few requests a second do not. */
export async function warmUp(contestants: readonly Contestant[]): Promise<void> {
  for (const contestant of contestants) await (await contestant.ready(WARM_UP_SECONDS))();
}

/** All sides warm up, and then have their turns, round by round. */
export async function takeTurns(
  { postgres }: Pick<World, 'postgres'>,
  contestants: readonly Contestant[],
  rounds: number,
  seconds: number,
): Promise<Turns> {
  await warmUp(contestants);
  const turns = new Map<string, Turn[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of orderOf(contestants, round)) {
      turns.get(contestant.name)?.push(await oneTurn(postgres, contestant, seconds));
    }
  }
  return turns;
}

/** Another one begins each round, and every second round goes backwards: what a turn leaves behind hits all alike. */
function orderOf(contestants: readonly Contestant[], round: number): readonly Contestant[] {
  const first = Math.floor(round / 2) % contestants.length;
  const order = [...contestants.slice(first), ...contestants.slice(0, first)];
  return round % 2 === 0 ? order : order.toReversed();
}

async function oneTurn(postgres: Postgres, contestant: Contestant, seconds: number): Promise<Turn> {
  const run = await contestant.ready(seconds);
  const used = (): [number, number] => [
    cpuSecondsOf(contestant.process.child.pid) ?? Number.NaN,
    postgres.cpuSeconds() ?? Number.NaN,
  ];
  const [own, database] = used();
  const result = await run();
  const [ownAfter, databaseAfter] = used();
  const micros = (from: number, to: number): number => ((to - from) * 1e6) / result.answers;
  return {
    ...result,
    cpuMicrosPerAnswer: micros(own, ownAfter),
    databaseMicrosPerAnswer: micros(database, databaseAfter),
  };
}

export function tableOf(turns: Turns): string[] {
  const line = (name: string, ...cells: string[]): string =>
    `  ${name.padEnd(18)}${cells.map((cell, n) => cell.padStart(n < 3 ? 24 : 13)).join('')}`;
  return [
    line('', 'answers/s', 'p50 ms', 'p99 ms', 'CPU µs each', 'database µs', 'generator'),
    ...[...turns].map(([name, all]) =>
      line(
        name,
        spread(
          all.map(({ perSecond }) => perSecond),
          0,
        ),
        spread(
          all.map(({ p50Ms }) => p50Ms),
          2,
        ),
        spread(
          all.map(({ p99Ms }) => p99Ms),
          2,
        ),
        median(all.map(({ cpuMicrosPerAnswer }) => cpuMicrosPerAnswer)).toFixed(0),
        median(all.map(({ databaseMicrosPerAnswer }) => databaseMicrosPerAnswer)).toFixed(0),
        `${(100 * median(all.map(({ generatorBusy }) => generatorBusy))).toFixed(0)} %`,
      ),
    ),
  ];
}

/** The ratio of two sides round by round, so that a slow minute affects both. */
export function ratioOf(
  turns: Turns,
  one: string,
  other: string,
  value: (turn: Turn) => number,
): number[] {
  const others = turns.get(other) ?? [];
  return (turns.get(one) ?? []).flatMap((turn, round) => {
    const against = others[round];
    return against === undefined ? [] : [value(turn) / value(against)];
  });
}

/** The one that ships, and where there is another build, that one. */
export function gatewaysIn(turns: Turns): string[] {
  return [...turns.keys()].filter((name) => name.startsWith('gateway'));
}

/** `target` is what it should be at least, or at most. */
export function ratioLine(
  what: string,
  ratios: readonly number[],
  bound: 'at least' | 'at most',
  target: number,
): string {
  const value = median(ratios);
  const good = bound === 'at least' ? value >= target : value <= target;
  return `  ${good ? '✓' : '✗'} ${what}: ${spread(ratios, 2)}, wanted ${bound} ${target}`;
}
