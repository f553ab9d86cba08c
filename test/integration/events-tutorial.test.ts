import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
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
