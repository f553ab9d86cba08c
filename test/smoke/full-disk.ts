import { randomBytes } from 'node:crypto';
import { Client } from './client.js';
import { until } from './command.js';
import { Stack } from './stack.js';
import { expectEqual, type Verdict } from './verdict.js';

const FILL = 'cat /dev/zero > /var/lib/postgresql/ballast 2>/dev/null; true';
interface Delivery {
  readonly jobId: string;
  readonly status: number | null;
}

const FREE = 'rm -f /var/lib/postgresql/ballast';

/** Every 202 and 200 has its row, and the gateway recovers. */
export async function tryFullDisk(verdict: Verdict): Promise<void> {
  verdict.chapter('The volume of the database is full');
  const stack = await Stack.make('disk', { files: ['test/smoke/full-disk.yml'] });
  try {
    await verdict.check('everything starts and is healthy', () => stack.up());
    const client = await Client.of(stack);
    const input = await client.upload();
    const accepted: string[] = [];
    const refused: Response[] = [];
    await verdict.check(
      'while it is full, submits get 503 and Retry-After, and nothing else',
      async () => {
        for (let n = 0; n < 20; n += 1) accepted.push(await client.accepted(input, slow()));
        await ballast(stack, FILL);
        await until('the first refusal', async () => {
          const answers = await Promise.all(
            Array.from({ length: 10 }, () => client.submit(input, slow())),
          );
          for (const answer of answers) {
            if (answer.status === 202) accepted.push(((await answer.json()) as { id: string }).id);
            else refused.push(answer);
          }
          return refused.length >= 30 ? true : undefined;
        });
        const statuses = [...new Set(refused.map(({ status }) => status))];
        expectEqual(statuses, [503], 'answers');
        expectEqual(
          refused.filter(({ headers }) => !headers.has('retry-after')).length,
          0,
          'without Retry-After',
        );
        const problem = (await refused[0]?.json()) as { code: string; detail?: string };
        return `${accepted.length} accepted, ${refused.length} refused as ${problem.code}`;
      },
    );
    await verdict.check('callbacks get 503 too', () =>
      until('a callback is refused', async () => {
        const statuses = (await deliveries(stack)).map(({ status }) => status);
        return statuses.includes(503) ? statuses.join(' ') : undefined;
      }),
    );
    await verdict.check('it recovers by itself when there is space again', async () => {
      await ballast(stack, FREE);
      await stack.healthy('postgres');
      await stack.healthy('gateway');
      return until('a submit is accepted', async () => {
        const answer = await client.submit(input);
        if (answer.status !== 202) return undefined;
        accepted.push(((await answer.json()) as { id: string }).id);
        return 'accepted';
      });
    });
    await verdict.check('every job that was accepted completes', () =>
      client.allComplete(accepted, 180),
    );
    await verdict.check('every callback that was answered with 200 is stored', () =>
      callbacks(stack),
    );
  } finally {
    await stack.forget();
  }
}

/** Large enough to need space soon, and still running when the volume is full. */
const slow = (): Record<string, unknown> => ({
  sim: { runMs: 8000 },
  metadata: { note: randomBytes(11_000).toString('base64') },
});

async function ballast(stack: Stack, script: string): Promise<void> {
  await stack.compose('exec', '-T', 'ballast', 'sh', '-c', script);
}

/** Compares the answers to the sandbox with the database. */
async function callbacks(stack: Stack): Promise<string> {
  const sent = await deliveries(stack);
  const sql = 'SELECT upstream_id FROM callbacks';
  const psql = ['exec', '-T', 'postgres', 'psql', '-h', '/var/run/postgresql', '-U', 'gateway'];
  const stored = await stack.compose(...psql, '-tAc', sql);
  const known = new Set(stored.split('\n'));
  const good = sent.filter(({ status }) => status === 200);
  expectEqual(good.filter(({ jobId }) => !known.has(jobId)).length, 0, 'lost callbacks');
  const others = [...new Set(sent.map(({ status }) => status).filter((status) => status !== 200))];
  return `${good.length} answered with 200, ${sent.length - good.length} with ${others.join(', ') || 'another status'}`;
}

async function deliveries(stack: Stack): Promise<readonly Delivery[]> {
  const script = `const answer = await fetch('http://127.0.0.1:4010/control/deliveries');
    console.log(JSON.stringify((await answer.json()).map(({ jobId, status }) => ({ jobId, status }))));`;
  return JSON.parse(await stack.inside('sandbox', script)) as readonly Delivery[];
}
