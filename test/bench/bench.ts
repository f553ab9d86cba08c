import { measureCallbacks, measureQuiet } from './callbacks.js';
import { measureChains } from './chains.js';
import { measureDeadEndpoint } from './dead-endpoint.js';
import { measureDeliveries } from './deliver.js';
import { measureDrain } from './drain.js';
import { measureDropIn } from './dropin.js';
import { measureEndToEnd } from './end-to-end.js';
import { measureFlood } from './flood.js';
import { measureGrowth } from './growth.js';
import { measureLatency } from './latency.js';
import { describeLoad, describeMachine } from './machine.js';
import { HELP, readOptions, SCENARIOS, type Scenario } from './options.js';
import { measurePath } from './path.js';
import { measureRefusals } from './refusals.js';
import { measureSoak } from './soak.js';
import { measureSubmissions } from './submissions.js';
import { World } from './world.js';

/*
 * What the gateway costs, beside the same work done by a bare server and by one that was written by hand.
 * Every side is a process of its own, and they take turns within one run: results of different runs on a
 * machine that does other things as well cannot be compared, ratios of one run can.
 */

const MEASURES: Record<Scenario, (world: World, say: (line: string) => void) => Promise<void>> = {
  callbacks: measureCallbacks,
  quiet: measureQuiet,
  refusals: measureRefusals,
  flood: measureFlood,
  submit: measureSubmissions,
  latency: measureLatency,
  drain: measureDrain,
  e2e: measureEndToEnd,
  path: measurePath,
  chains: measureChains,
  dropin: measureDropIn,
  deliver: measureDeliveries,
  'dead-endpoint': measureDeadEndpoint,
  growth: measureGrowth,
  soak: measureSoak,
};

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const options = readOptions(process.argv.slice(2));
if (options === undefined) {
  say(HELP);
} else {
  const begin = performance.now();
  const world = await World.start(options);
  try {
    describeMachine(await world.postgres.version()).forEach(say);
    say('all guards enforce, the audit is on, logs are JSON at info into a file');
    say(`turns of ${options.seconds} s, ${options.rounds} rounds: median (lowest–highest)`);
    for (const name of SCENARIOS.filter((scenario) => options.only.includes(scenario))) {
      say('');
      const { mark } = world;
      await MEASURES[name](world, say);
      await world.stopSince(mark);
      say(`  ${describeLoad()}`);
    }
    say(`\n${((performance.now() - begin) / 1000).toFixed(0)} s in all`);
  } finally {
    await world.close();
  }
}
