import { takesAnything } from './callbacks.js';
import type { Side, World } from './world.js';
import { ratioLine, ratioOf, tableOf, takeTurns, type Turns } from './turns.js';

/** From the documentation's own addresses: nobody here has one. */
const ELSEWHERE = '192.0.2.0/24';

const GOOD_SHARE = 0.4;

/** Callbacks that are refused, against a server that takes everything. */
export async function measureRefusals(world: World, say: (line: string) => void): Promise<void> {
  const { connections, rounds, seconds } = world.options;
  say(
    `callbacks that are refused, ${connections} connections at the maximum rate; the generator never sleeps`,
  );
  const receivers = await world.gateways('webhooks', 'bad token');
  const closed = await world.gateways('webhooks', 'bad address', {
    WEBHOOK_IP_ALLOWLIST: ELSEWHERE,
  });
  const sides = [...receivers, ...closed];
  const pressure = { connections, awake: true };
  const before = await transactions(world, sides);
  const turns = await takeTurns(
    world,
    [
      takesAnything(world, 'floor', await world.floor(), 200, pressure),
      ...receivers.map(([name, { process }]) => takesAnything(world, name, process, 401, pressure)),
      ...closed.map(([name, { process }]) => takesAnything(world, name, process, 403, pressure)),
    ],
    rounds,
    seconds,
  );
  tableOf(turns).forEach(say);
  for (const [name] of sides) {
    const ratios = ratioOf(turns, name, 'floor', ({ perSecond }) => perSecond);
    say(ratioLine(`throughput, ${name} / floor`, ratios, 'at least', GOOD_SHARE));
  }
  const used = (await transactions(world, sides)) - before;
  say(`  transactions of the database per refusal: ${(used / answersOf(turns, sides)).toFixed(4)}`);
}

type Named = readonly [name: string, side: Side];

async function transactions(world: World, sides: readonly Named[]): Promise<number> {
  let sum = 0;
  for (const [, { databaseUrl }] of sides) {
    const [row] = await world.postgres.query<{ count: string }>(
      databaseUrl,
      'SELECT xact_commit AS count FROM pg_stat_database WHERE datname = current_database()',
    );
    sum += Number(row?.count);
  }
  return sum;
}

function answersOf(turns: Turns, sides: readonly Named[]): number {
  return sides
    .flatMap(([name]) => turns.get(name) ?? [])
    .reduce((sum, { answers }) => sum + answers, 0);
}
