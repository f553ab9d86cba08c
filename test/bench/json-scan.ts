import { JsonScanner } from '../../src/platform/json/json-scanner.js';
import { watchedPaths } from '../../src/platform/json/watched-paths.js';
import { spread } from './statistics.js';

/*
 * How fast results are checked while they stream, beside JSON.parse of the same bytes, in turns. Results come in
 * pieces of 64 KiB; the longest time for one of them is how long the event loop is held.
 */

const ROUNDS = 7;
const PIECE_BYTES = 65_536;
const WATCHED = watchedPaths({ job_id: 'id', 'result.parse.*.job_id': 'id' });

const block = (page: number, at: number): object => ({
  type: 'Text',
  bbox: { left: 0.0613 * at, top: 0.5, width: 0.25, height: 1e-3, page },
  content: 'A line with a "quoted" word and an end.\n'.repeat(4),
  confidence: 'high',
});

const DOCUMENTS: Readonly<Record<string, unknown>> = {
  'a parse': {
    job_id: 'j',
    result: {
      type: 'full',
      chunks: Array.from({ length: 6000 }, (_, page) => ({
        content: 'Words of a page, as they are in most documents. '.repeat(30),
        blocks: Array.from({ length: 8 }, (__, at) => block(page, at)),
      })),
    },
  },
  'one string': 'x'.repeat(40_000_000),
  numbers: Array.from({ length: 2_000_000 }, (_, at) => at * 1.37),
  'small objects': Array.from({ length: 2_000_000 }, () => ({ a: [] })),
};

interface Turn {
  readonly megabytesPerSecond: number;
  readonly longestMs: number;
}

function timed(bytes: Buffer, work: () => number): Turn {
  const begin = performance.now();
  const longestMs = work();
  return { megabytesPerSecond: bytes.length / 1000 / (performance.now() - begin), longestMs };
}

function scan(bytes: Buffer): number {
  let longest = 0;
  const scanner = new JsonScanner(WATCHED);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const begin = performance.now();
    scanner.write(bytes.subarray(at, at + PIECE_BYTES));
    longest = Math.max(longest, performance.now() - begin);
  }
  scanner.end();
  return longest;
}

function parse(bytes: Buffer): number {
  const begin = performance.now();
  JSON.parse(bytes.toString());
  return performance.now() - begin;
}

for (const [name, value] of Object.entries(DOCUMENTS)) {
  const bytes = Buffer.from(JSON.stringify(value));
  const scans: Turn[] = [];
  const parses: Turn[] = [];
  // The first round is for the compiler.
  for (let round = 0; round <= ROUNDS; round++) {
    scans[round] = timed(bytes, () => scan(bytes));
    parses[round] = timed(bytes, () => parse(bytes));
  }
  const of = (turns: readonly Turn[], value: keyof Turn): number[] =>
    turns.slice(1).map((turn) => turn[value]);
  const others = of(parses, 'megabytesPerSecond');
  const ratios = of(scans, 'megabytesPerSecond').map(
    (speed, round) => speed / (others[round] ?? 0),
  );
  const lines = [
    `${name}, ${(bytes.length / 1e6).toFixed(0)} MB`,
    `scanner     ${spread(of(scans, 'megabytesPerSecond'), 0)} MB/s, a piece at most ${spread(of(scans, 'longestMs'), 1)} ms`,
    `JSON.parse  ${spread(others, 0)} MB/s, at once`,
    `ratio       ${spread(ratios, 2)}`,
  ];
  process.stdout.write(`${lines.join('\n  ')}\n`);
}
