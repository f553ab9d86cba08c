import { takesCallbacks } from './callbacks.js';
import { addFinishedJobs, sizeOf } from './finished-jobs.js';
import { ratioLine, ratioOf, tableOf, takeTurns, type Contestant } from './turns.js';
import type { World } from './world.js';

const WANTED = 0.85;

/** Callbacks beside few and many finished jobs, each number in a database of its own. */
export async function measureGrowth(world: World, say: (line: string) => void): Promise<void> {
  const { connections, finished, rounds, seconds } = world.options;
  say(
    `callbacks beside finished jobs, ${connections} connections at the maximum rate; ROLES=webhooks`,
  );
  const contestants: Contestant[] = [];
  for (const count of finished) {
    const side = await world.gateway('webhooks');
    const begin = performance.now();
    await addFinishedJobs(world.postgres, side.databaseUrl, count);
    const size = await sizeOf(world.postgres, side.databaseUrl);
    const took = (performance.now() - begin) / 1000;
    say(`  ${count} finished jobs: ${size}, written in ${took.toFixed(0)} s`);
    contestants.push(takesCallbacks(world, nameOf(count), 'gateway', side, { connections }));
  }
  const turns = await takeTurns(world, contestants, rounds, seconds);
  tableOf(turns).forEach(say);
  const [fewest = 0, ...more] = finished;
  for (const count of more) {
    const rate = ratioOf(turns, nameOf(count), nameOf(fewest), ({ perSecond }) => perSecond);
    say(ratioLine(`throughput, ${nameOf(count)} / ${nameOf(fewest)}`, rate, 'at least', WANTED));
  }
}

function nameOf(count: number): string {
  return `${count} finished`;
}
