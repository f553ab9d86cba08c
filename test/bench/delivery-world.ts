import { once } from 'node:events';
import type { BenchProcess } from './bench-process.js';
import type { DeadEndpoint, ReceiverAnswer, ReceiverCommand } from './dead-endpoint-plan.js';
import type { World } from './world.js';

export const DELIVERY_SETTINGS = {
  DELIVERY_ALLOWED_NETWORKS: '127.0.0.0/8',
  ENDPOINTS_PER_SERVICE: '200',
};

/** The process that receives events. One command at a time. */
export class EventReceiver {
  private constructor(private readonly process: BenchProcess) {}

  static async start(world: World): Promise<EventReceiver> {
    const name = world.nextName('receiver');
    return new EventReceiver(
      await world.run(name, 'dist/test/bench/dead-endpoint-receiver.js', {}),
    );
  }

  get url(): string {
    return `${this.process.url}/events`;
  }

  /** Resolves with the ages of the next events, in milliseconds, once that many have come. */
  async awaitEvents(awaits: number): Promise<readonly number[]> {
    const answer = await this.command({ awaits });
    return 'ages' in answer ? answer.ages : [];
  }

  /** Changes the second receiver, and returns its URL. */
  async setDead(dead: DeadEndpoint): Promise<string> {
    const answer = await this.command({ dead });
    return 'deadUrl' in answer ? answer.deadUrl : '';
  }

  private async command(command: ReceiverCommand): Promise<ReceiverAnswer> {
    const answer = once(this.process.child, 'message');
    this.process.child.send(command);
    return ((await answer) as [ReceiverAnswer])[0];
  }
}

/** Creates an endpoint by the API, and returns its id. */
export async function createEndpoint(
  { url }: BenchProcess,
  apiKey: string,
  endpoint: object,
): Promise<string> {
  const response = await fetch(`${url}/v1/endpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(endpoint),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`no endpoint: ${text}`);
  return (JSON.parse(text) as { id: string }).id;
}
