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
    `callbacks that are refused, ${connections} connections flat out; the generator never sleeps`,
  );
  const door = await world.gateway('webhooks');
  const closed = await world.gateway('webhooks', {
    environment: { WEBHOOK_IP_ALLOWLIST: ELSEWHERE },
  });
  const pressure = { connections, awake: true };
  const before = await transactions(world, [door, closed]);
  const turns = await takeTurns(
    world,
    [
      takesAnything(world, 'floor', await world.floor(), 200, pressure),
      takesAnything(world, 'bad token', door.process, 401, pressure),
      takesAnything(world, 'bad address', closed.process, 403, pressure),
    ],
    rounds,
    seconds,
  );
  tableOf(turns).forEach(say);
  for (const name of ['bad token', 'bad address']) {
    const ratios = ratioOf(turns, name, 'floor', ({ perSecond }) => perSecond);
    say(ratioLine(`throughput, ${name} / floor`, ratios, 'at least', GOOD_SHARE));
  }
  const used = (await transactions(world, [door, closed])) - before;
  say(`  transactions of the database per refusal: ${(used / answersOf(turns)).toFixed(4)}`);
}

async function transactions(world: World, sides: readonly Side[]): Promise<number> {
  let sum = 0;
  for (const { databaseUrl } of sides) {
    const [row] = await world.postgres.query<{ count: string }>(
      databaseUrl,
      'SELECT xact_commit AS count FROM pg_stat_database WHERE datname = current_database()',
    );
    sum += Number(row?.count);
  }
  return sum;
}

function answersOf(turns: Turns): number {
  return ['bad token', 'bad address']
    .flatMap((name) => turns.get(name) ?? [])
    .reduce((sum, { answers }) => sum + answers, 0);
}
