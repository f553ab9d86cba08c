import { expect, it } from 'vitest';
import { readFaultKinds } from './fault-schedule.js';
import { runFaults } from './run.js';

/*
 * Everything breaks at once for half a minute, and no promise does. `npm run soak` does it for longer.
 *
 *   FAULT_SEED=4,5 FAULT_WITHOUT=pause,kill FAULT_KEEP=1 npx vitest run test/faults/faults.test.ts
 */

const SEEDS = (process.env['FAULT_SEED'] ?? '1').split(',').map(Number);

it.each(SEEDS)(
  'no accepted job is lost, wrong, stuck, doubled or ended twice whatever fails (seed %i)',
  async (seed) => {
    const violations = await runFaults({
      seed,
      jobs: 250,
      forMs: 25_000,
      longestPauseMs: 15_000,
      without: readFaultKinds(process.env['FAULT_WITHOUT'] ?? ''),
      keep: process.env['FAULT_KEEP'] === '1',
      say: (text) => void process.stdout.write(`${text}\n`),
    });
    expect(violations.map(({ promise, what }) => `${promise}: ${what}`)).toEqual([]);
  },
  400_000,
);
