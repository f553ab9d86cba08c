import { execFileSync, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { codeOf, SECRET, send } from '../support/event-sender.js';
import { run } from '../support/processes.js';

/** The receivers of docs/events.md: name, program, arguments. */
const EXAMPLES: readonly (readonly [name: string, program: string, ...args: string[]])[] = [
  ['TypeScript', process.execPath, 'docs/examples/receiver.ts'],
  ['Python', 'python3', 'docs/examples/receiver.py'],
  ...goReceiver(),
];

interface Example {
  readonly url: string;
  /** The next line of its output. */
  readonly nextLine: () => Promise<string>;
}

async function started(program: string, args: readonly string[]): Promise<Example> {
  const port = await freePort();
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], WEBHOOK_SECRET: SECRET, PORT: String(port) },
  });
  onTestFinished(async () => {
    const exit = once(child, 'exit');
    child.kill();
    await exit;
  });
  const lines = on(createInterface(child.stdout), 'line');
  const nextLine = async (): Promise<string> => ((await lines.next()).value as [string])[0];
  expect(await nextLine()).toBe(`listening on port ${port}`);
  return { url: `http://127.0.0.1:${port}/events`, nextLine };
}

const eventOf = (id: string) => ({
  id: `evt_${id}`,
  body: Buffer.from(JSON.stringify({ type: 'job.completed', data: { id, text: 'ä €' } })),
});

describe.each(EXAMPLES)('the receiver in %s', (_name, program, ...args) => {
  test('verifies an event', async () => {
    const { url, nextLine } = await started(program, args);
    expect(codeOf(await send(url, eventOf('job-1')))).toBe('204');
    expect(await nextLine()).toBe('verified job.completed job-1');
  });

  test('verifies events during a rotation', async () => {
    const { url, nextLine } = await started(program, args);
    const secrets = ['whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyE=', SECRET];
    expect(codeOf(await send(url, { ...eventOf('job-1'), secrets }))).toBe('204');
    expect(await nextLine()).toBe('verified job.completed job-1');
  });

  test('handles an event once that arrives twice', async () => {
    const { url, nextLine } = await started(program, args);
    for (const id of ['job-1', 'job-1', 'job-2']) {
      expect(codeOf(await send(url, eventOf(id)))).toBe('204');
    }
    expect([await nextLine(), await nextLine()]).toEqual([
      'verified job.completed job-1',
      'verified job.completed job-2',
    ]);
  });

  test.each([
    ['of another secret', { secrets: ['whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI='] }],
    ['of ten minutes ago', { timestamp: new Date(Date.now() - 600_000) }],
    ['of ten minutes ahead', { timestamp: new Date(Date.now() + 600_000) }],
    ['without a signature', { secrets: [] }],
  ])('refuses an event %s', async (_case, given) => {
    const { url } = await started(program, args);
    expect(codeOf(await send(url, { ...eventOf('job-1'), ...given }))).toBe('401');
  });
});

test('the receiver in TypeScript compiles with strict types', async () => {
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
  ];
  const args = ['node_modules/typescript/bin/tsc', ...options, '--types', 'node'];
  const { stdout } = await run([...args, '--skipLibCheck', 'docs/examples/receiver.ts']);
  expect(stdout).toBe('');
});

/** The compiled receiver; none if Go is not installed. */
function goReceiver(): (readonly [name: string, program: string, ...args: string[]])[] {
  const program = join(mkdtempSync(join(tmpdir(), 'receiver-')), 'receiver');
  try {
    execFileSync('go', ['build', '-o', program, 'docs/examples/receiver.go'], { stdio: 'pipe' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    process.stdout.write('go is missing: the receiver in Go is not tested\n');
    return [];
  }
  return [['Go', program]];
}
