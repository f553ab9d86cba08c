import { cpuSecondsOf } from './cpu-time.js';
import { median, spread } from './statistics.js';
import type { Side, World } from './world.js';

/** What a side costs for each of its units of work. Times of the CPU in microseconds. */
export interface Cost {
  readonly perSecond: number;
  readonly own: number;
  readonly database: number;
  readonly statements: number;
  readonly commits: number;
}

/** The cost of `work`, which does `count` units. */
export async function costOf(
  world: World,
  side: Side,
  count: number,
  work: () => Promise<void>,
): Promise<Cost> {
  const before = await readCounters(world, side);
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  const after = await readCounters(world, side);
  return {
    perSecond: count / seconds,
    own: ((after.own - before.own) * 1e6) / count,
    database: ((after.database - before.database) * 1e6) / count,
    statements: (after.statements - before.statements) / count,
    commits: (after.commits - before.commits) / count,
  };
}

/** Medians over the turns of each side; `unit` in the plural. */
export function costTable(turns: ReadonlyMap<string, readonly Cost[]>, unit: string): string[] {
  const line = (...cells: string[]): string =>
    `  ${cells.map((cell, n) => (n === 0 ? cell.padEnd(18) : cell.padStart(16))).join('')}`;
  return [
    line('', `${unit}/s`, 'CPU µs each', 'database µs', 'statements', 'commits'),
    ...[...turns].map(([name, all]) => {
      const of = (key: keyof Cost, digits: number): string =>
        median(all.map((one) => one[key])).toFixed(digits);
      const rates = all.map(({ perSecond }) => perSecond);
      return line(
        name,
        spread(rates, 0),
        of('own', 0),
        of('database', 0),
        of('statements', 2),
        of('commits', 2),
      );
    }),
  ];
}

async function readCounters({ postgres }: World, { process, databaseUrl }: Side) {
  await postgres.query(databaseUrl, 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  const [row] = await postgres.query<{ statements: number; commits: number }>(databaseUrl, COUNTS);
  return {
    own: cpuSecondsOf(process.child.pid) ?? Number.NaN,
    database: postgres.cpuSeconds() ?? Number.NaN,
    statements: row?.statements ?? Number.NaN,
    commits: row?.commits ?? Number.NaN,
  };
}

const COUNTS = `
  SELECT (SELECT sum(calls)::float8 FROM pg_stat_statements
           WHERE dbid = database.oid AND query NOT IN ('BEGIN', 'COMMIT')) AS statements,
         xact_commit::float8 AS commits
    FROM pg_stat_database JOIN pg_database AS database ON database.oid = datid
   WHERE database.datname = current_database()`;
