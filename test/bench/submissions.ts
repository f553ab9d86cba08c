import type { BenchProcess } from './bench-process.js';
import type { World } from './world.js';
import { gatewaysIn, ratioLine, ratioOf, tableOf, takeTurns, type Contestant } from './turns.js';

/** What a service sends. */
export const SUBMISSION = JSON.stringify({
  type: 'parse',
  input: 'https://files.example.com/43822ede-0f4c-4b1c-9d2c-5a3f7d0c3a11.pdf',
  metadata: { invoice: 4711, tenant: 'north' },
});

export function submissionHeaders(apiKey: string): Record<string, string> {
  return { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
}

/** Jobs that are accepted; nobody submits them to Reducto meanwhile. */
export async function measureSubmissions(world: World, say: (line: string) => void): Promise<void> {
  const { connections, rounds, seconds } = world.options;
  say(`submissions, ${connections} connections at the maximum rate; the gateway has ROLES=api`);
  const byHand = await world.byHand();
  const contestants = [takesJobs(world, 'by hand', byHand.process, world.keys.byHandKey)];
  for (const [name, { process }] of await world.gateways('api')) {
    const apiKey = await world.keys.createApiKey(process.url);
    contestants.push(takesJobs(world, name, process, apiKey));
  }
  const turns = await takeTurns(world, contestants, rounds, seconds);
  tableOf(turns).forEach(say);
  for (const name of gatewaysIn(turns)) {
    const rate = ratioOf(turns, name, 'by hand', ({ perSecond }) => perSecond);
    say(ratioLine(`throughput, ${name} / by hand`, rate, 'at least', 1));
  }
}

function takesJobs(world: World, name: string, process: BenchProcess, apiKey: string): Contestant {
  return {
    name,
    process,
    ready: (seconds) =>
      Promise.resolve(() =>
        world.load.run({
          url: `${process.url}/v1/jobs`,
          headers: submissionHeaders(apiKey),
          bodies: [SUBMISSION],
          again: true,
          expected: 202,
          connections: world.options.connections,
          seconds,
        }),
      ),
  };
}
