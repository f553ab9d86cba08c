import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from './client.js';
import { attempt, run, until } from './command.js';
import { Stack } from './stack.js';
import { expectEqual, type Verdict } from './verdict.js';

const DATABASE = 'gateway-smoke-database';
const PASSWORD = 'external-only';

/** Two hosts with a PostgreSQL that belongs to neither: two projects that share nothing but the database. */
export async function tryTwoHosts(verdict: Verdict): Promise<void> {
  verdict.chapter('Two hosts, and a PostgreSQL of one’s own');
  const bridge = await bridgeAddress();
  const secrets = await mkdtemp(join(tmpdir(), 'gateway-smoke-'));
  const first = await host('first', bridge, secrets, {
    COMPOSE_PROFILES: 'sandbox',
    CALLBACKS_BIND: bridge,
  });
  const second = await host('second', bridge, secrets, {
    COMPOSE_PROFILES: '',
    GATEWAY_PORTS: '15000',
    CALLBACKS_PORTS: '15100',
    CALLBACKS_BIND: bridge,
    INSIDE_NET: '172.16.86',
    CALLBACKS_PROXY_NET: '172.16.87',
    RECEIVER_NET: '172.16.88',
    PUBLIC_URL: `http://${bridge}:15100`,
  });
  try {
    await verdict.check('PostgreSQL starts', () => startDatabase(bridge, secrets));
    await verdict.check('both hosts start at once, and one of them migrates', async () => {
      await Promise.all([first.up(), second.up()]);
    });
    const client = await Client.of(first, 'http://127.0.0.1:13000', 'http://127.0.0.1:15000');
    const input = await client.upload();
    const submit = (count: number): Promise<string[]> =>
      Promise.all(
        Array.from({ length: count }, (_, n) =>
          client.accepted(input, { sim: { runMs: 3000 } }, n),
        ),
      );
    await verdict.check('jobs that both accept complete', async () =>
      client.allComplete(await submit(40)),
    );
    await verdict.check('the first host is lost: the second completes its jobs', async () => {
      const ids = await submit(40);
      await first.compose('kill', 'gateway', 'callbacks');
      const left = client.only(1);
      const note = await left.allComplete(ids);
      await first.up();
      return note;
    });
    await verdict.check('PostgreSQL fails: 503 meanwhile, and all jobs complete', async () => {
      const ids = await submit(20);
      await run('docker', ['kill', DATABASE]);
      const answer = await client.submit(input);
      expectEqual(answer.status, 503, 'a submit');
      await run('docker', ['start', DATABASE]);
      return client.allComplete(ids);
    });
  } finally {
    await first.remove();
    await second.remove();
    await attempt('docker', ['rm', '--force', '--volumes', DATABASE]);
    await rm(secrets, { recursive: true, force: true });
  }
}

function host(
  name: string,
  bridge: string,
  secrets: string,
  env: Record<string, string>,
): Promise<Stack> {
  return Stack.make(name, {
    files: ['deploy/external-postgres.yml', 'test/smoke/external.yml'],
    secrets,
    env: {
      BRIDGE: bridge,
      REDUCTO_BASE_URL: `http://${bridge}:14010`,
      PUBLIC_URL: `http://${bridge}:13100`,
      ...env,
    },
  });
}

async function bridgeAddress(): Promise<string> {
  const format = '{{(index .IPAM.Config 0).Gateway}}';
  return (await run('docker', ['network', 'inspect', 'bridge', '-f', format])).trim();
}

async function startDatabase(bridge: string, secrets: string): Promise<void> {
  await attempt('docker', ['rm', '--force', '--volumes', DATABASE]);
  const published = ['--publish', `${bridge}:15432:5432`];
  const settings = ['--env', `POSTGRES_PASSWORD=${PASSWORD}`, '--env', 'POSTGRES_USER=gateway'];
  const create = ['run', '--detach', '--name', DATABASE, ...published, ...settings, 'postgres:18'];
  await run('docker', create);
  const url = join(secrets, 'database-url');
  await rm(url);
  await writeFile(url, `postgres://gateway:${PASSWORD}@${bridge}:15432/gateway\n`);
  await chmod(url, 0o444);
  await until('it answers', async () =>
    run('docker', ['exec', DATABASE, 'pg_isready', '-q', '-h', '127.0.0.1']).then(() => true),
  );
}
