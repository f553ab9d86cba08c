import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

test('the commands of docs/events.md lead to a verified event of a job', async () => {
  const page = await readFile('docs/events.md', 'utf8');
  const [, commands = ''] = /```sh\n(URL=[\s\S]+?)```/.exec(page) ?? [];
  const [url, key, ...rest] = commands.split('\n');
  expect(url).toBe('URL=http://127.0.0.1:3000');
  expect(key).toContain('keys create --service demo --quiet)');
  const port = String(await freePort());
  const shell = spawn('sh', ['-c', rest.join('\n').replaceAll('4000', port)], {
    // A group of its own, with the receiver.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], URL: gateway.url, KEY: gateway.key, PORT: port },
  });
  let output = '';
  let errors = '';
  shell.stdout.on('data', (text: Buffer) => (output += text.toString()));
  shell.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const closed = once(shell, 'close');
  onTestFinished(async () => {
    process.kill(-(shell.pid ?? 0));
    await closed;
  });
  await eventually('the receiver verified both events', () =>
    /verified endpoint\.test/.test(output) && /verified job\.completed/.test(output)
      ? true
      : undefined,
  );
  expect(errors).toBe('');
});

test('the loop of docs/events.md reads each event of the feed once, also if it or the gateway stops', async () => {
  const page = await readFile('docs/events.md', 'utf8');
  const [, loop = ''] = /```sh\n(while true[\s\S]+?)```/.exec(page) ?? [];
  const [, field = ''] = /^(field\(\) .+)$/m.exec(page) ?? [];
  const directory = await mkdtemp(join(tmpdir(), 'feed-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const cursor = (): Promise<string> => readFile(join(directory, 'cursor'), 'utf8').catch(() => '');
  /** Runs the loop until `isDone`. Returns the ids of the events that it printed. */
  const read = async (
    url: string,
    isDone: (ids: readonly string[]) => Promise<boolean>,
  ): Promise<string[]> => {
    const shell = spawn('sh', ['-c', `${field}\n${loop.replace('wait=60', 'wait=1')}`], {
      cwd: directory,
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], URL: url, AUTH: `Authorization: Bearer ${gateway.key}` },
    });
    let output = '';
    shell.stdout.on('data', (text: Buffer) => (output += text.toString()));
    const ids = (): string[] =>
      [...output.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id = '']) => id);
    await eventually('the loop is done', async () => (await isDone(ids())) || undefined);
    const closed = once(shell, 'close');
    process.kill(-(shell.pid ?? 0));
    await closed;
    return ids();
  };
  const readNew = (count: number): Promise<string[]> =>
    read(
      gateway.url,
      async (ids) => ids.length === count && (await cursor()) === `${ids.at(-1)}\n`,
    );
  let refused = 0;
  const broken = createServer((_, response) => {
    refused += 1;
    response.writeHead(503).end('{}');
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void broken.close());
  await once(broken, 'listening');
  const { port } = broken.address() as AddressInfo;
  /** Waits for the event of a new job. Returns the number of all events. */
  const endJob = async (): Promise<number> => {
    const id = await gateway.submit();
    return eventually('the job has an event', async () => {
      const { events } = (await gateway.call('GET', '/v1/events?limit=100')).body;
      return events.some(({ jobId }: { jobId: string | null }) => jobId === id)
        ? events.length
        : undefined;
    });
  };
  const before = await endJob();
  const seen = await readNew(before);
  const ofBroken = await read(`http://127.0.0.1:${port}`, () => Promise.resolve(refused > 0));
  expect(ofBroken).toEqual([]);
  const after = await endJob();
  const later = await readNew(after - before);
  expect(new Set([...seen, ...later]).size).toBe(after);
});
