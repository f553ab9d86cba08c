import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchProcess } from './bench-process.js';
import type { LoadPlan, LoadResult } from './load-plan.js';

type Plan = Omit<LoadPlan, 'bodies'> & { readonly bodies: readonly string[] };

/** The load generator, which is a process of its own. */
export class LoadGenerator {
  private count = 0;

  private constructor(
    private readonly directory: string,
    private readonly name: string,
    private readonly process: BenchProcess,
  ) {}

  static async start(directory: string, name = 'load'): Promise<LoadGenerator> {
    const launch = { environment: {}, logFile: join(directory, `${name}.log`) };
    const started = await BenchProcess.start(name, 'dist/test/bench/load.js', launch);
    return new LoadGenerator(directory, name, started);
  }

  /** One turn. Throws where an answer was not the expected one: it would measure something else. */
  async run(plan: Plan): Promise<LoadResult> {
    const bodies = join(this.directory, `bodies-${this.name}-${(this.count += 1)}`);
    await writeFile(bodies, plan.bodies.join('\n'));
    const { child } = this.process;
    const said = once(child, 'message');
    child.send({ ...plan, bodies });
    const [message] = (await said) as [{ result?: LoadResult; error?: string }];
    await rm(bodies);
    const { result, error } = message;
    if (result === undefined) throw new Error(`the load generator failed: ${error}`);
    if (Object.keys(result.wrong).length > 0) {
      throw new Error(`${plan.url} gave wrong answers: ${JSON.stringify(result.wrong)}`);
    }
    return result;
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
