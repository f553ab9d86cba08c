import type { Client } from './client.js';
import { run, until } from './command.js';
import type { Stack } from './stack.js';
import { expectEqual, type Verdict } from './verdict.js';

const THREE_SECONDS = { sim: { runMs: 3000 } };

/** Containers that stop, crash, and restart during work. */
export async function checkResilience(
  verdict: Verdict,
  stack: Stack,
  client: Client,
): Promise<void> {
  for (const service of ['gateway', 'callbacks', 'sandbox', 'postgres']) {
    await verdict.check(`docker stop ${service}: status 0, in time`, () =>
      stopsWell(stack, service),
    );
  }
  const input = await client.upload();
  const submit = (count: number, more = {}): Promise<string[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => client.accepted(input, more, n)));

  await verdict.check(
    'a stop answers who waits, and its jobs complete after the start',
    async () => {
      const ids = await submit(5, THREE_SECONDS);
      const waiting = client.ask(`/v1/jobs/${ids[0]}?wait=60`);
      const note = await stopsWell(stack, 'gateway', async () => {
        expectEqual((await waiting).status, 200, 'the waiting request');
      });
      await client.allComplete(ids);
      return note;
    },
  );
  await verdict.check(
    'the gateway dies: it comes back by itself, and all jobs complete',
    async () => {
      const ids = await submit(20, THREE_SECONDS);
      await dies(stack, 'gateway');
      return client.allComplete(ids);
    },
  );
  await verdict.check('docker kill: jobs complete after docker compose up', async () => {
    const ids = await submit(20, THREE_SECONDS);
    await stack.compose('kill', 'gateway', 'callbacks');
    await stack.up();
    return client.allComplete(ids);
  });
  await verdict.check(
    'the webhook receiver crashes: Docker restarts it, and all jobs complete',
    async () => {
      const ids = await submit(20, THREE_SECONDS);
      await dies(stack, 'callbacks');
      return client.allComplete(ids);
    },
  );
  await verdict.check('PostgreSQL is restarted: 503 meanwhile, and all jobs complete', async () => {
    const ids = await submit(20, THREE_SECONDS);
    const restart = stack.compose('restart', 'postgres');
    const answers = new Set<number>();
    const watched = new AbortController();
    const watch = (async () => {
      while (!watched.signal.aborted) answers.add((await client.submit(input)).status);
    })();
    await restart;
    await stack.healthy('postgres');
    watched.abort();
    await watch;
    expectEqual(
      [...answers].filter((status) => ![202, 503].includes(status)),
      [],
      'other answers',
    );
    return `${await client.allComplete(ids)}, answers ${[...answers].join(' and ')}`;
  });
  await verdict.check('PostgreSQL crashes: Docker restarts it, and all jobs complete', async () => {
    const ids = await submit(20, THREE_SECONDS);
    await dies(stack, 'postgres');
    return client.allComplete(ids);
  });
}

async function stopsWell(
  stack: Stack,
  service: string,
  meanwhile?: () => Promise<void>,
): Promise<string> {
  const { Id } = await stack.container(service);
  const start = Date.now();
  await Promise.all([stack.compose('stop', service), meanwhile?.()]);
  const seconds = (Date.now() - start) / 1000;
  const { State } = await stack.container(service);
  await run('docker', ['start', Id]);
  await stack.healthy(service);
  expectEqual(State.ExitCode, 0, 'status');
  if (seconds > 28) throw new Error(`it took ${seconds} s`);
  return `${seconds.toFixed(1)} s`;
}

/** Kills everything but the init, like a crash or a lack of memory. */
async function dies(stack: Stack, service: string): Promise<void> {
  const before = await stack.container(service);
  await stack.attempt('exec', '-T', service, 'sh', '-c', 'kill -9 -1');
  await until(`${service} has come back`, async () => {
    const now = await stack.container(service);
    return now.RestartCount > before.RestartCount && now.State.Status === 'running'
      ? true
      : undefined;
  });
  await stack.healthy(service);
}
