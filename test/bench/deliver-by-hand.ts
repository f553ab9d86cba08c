import { createHmac } from 'node:crypto';
import { Pool } from 'pg';
import { Agent } from 'undici';

/*
 * A bare loop that posts signed events and writes a row for each: no retries, no limits, no record of answers, no address
 * check. Its events are in memory.
 */

/** What a turn is. */
export interface DeliverPlan {
  readonly origin: string;
  readonly paths: readonly string[];
  readonly bodies: readonly { readonly id: string; readonly body: string }[];
  readonly concurrency: number;
}

const INSERT = {
  name: 'delivered',
  text: 'INSERT INTO delivered (event_id, path, status) VALUES ($1, $2, $3)',
};

const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 });
const key = Buffer.from(process.env['SECRET'] ?? '', 'base64');
const agent = new Agent({ connections: 128 });

async function deliver(plan: DeliverPlan): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    for (let n = next++; ; n = next++) {
      const event = plan.bodies[n];
      if (event === undefined) return;
      const { id, body } = event;
      const path = plan.paths[n % plan.paths.length] ?? '/';
      const timestamp = Math.floor(Date.now() / 1000);
      const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`);
      const answer = await agent.request({
        origin: plan.origin,
        path,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(timestamp),
          'webhook-signature': `v1,${signature.digest('base64')}`,
        },
        body,
      });
      await answer.body.dump();
      await pool.query({ ...INSERT, values: [id, path, answer.statusCode] });
    }
  };
  await Promise.all(Array.from({ length: plan.concurrency }, loop));
}

process.on('message', (plan) => {
  void deliver(plan as DeliverPlan).then(() => process.send?.('delivered'));
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
process.send?.({ type: 'listening', url: '' });
