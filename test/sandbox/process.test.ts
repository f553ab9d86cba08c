import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import Reducto, { toFile } from 'reductoai';
import ts from 'typescript';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { samplePdf } from '../fixtures/sample-pdf.js';

const source = new URL('../../src/sandbox/', import.meta.url);
let built: string;

/** Compiled as by the build: the sandbox must run without TypeScript. */
beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'sandbox-build-'));
  await symlink(
    new URL('../../node_modules', import.meta.url).pathname,
    join(built, 'node_modules'),
  );
  await writeFile(join(built, 'package.json'), '{"type":"module"}');
  for (const entry of await readdir(source, { recursive: true })) {
    if (!entry.endsWith('.ts')) continue;
    const { outputText } = ts.transpileModule(await readFile(new URL(entry, source), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext },
    });
    const target = join(built, entry.replace(/\.ts$/u, '.js'));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
});

afterAll(() => rm(built, { recursive: true, force: true }));

function start(env: Record<string, string>, args: string[] = []): ChildProcess {
  const child = spawn(process.execPath, [join(built, 'main.js'), ...args], {
    env: { PATH: process.env['PATH'], SANDBOX_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('No stdout');
  const [line]: unknown[] = await once(createInterface(child.stdout), 'line');
  return String(line);
}

test('prints its address, parses a PDF, and exits on SIGTERM', async () => {
  const child = start({ SANDBOX_API_KEYS: 'one,two', SANDBOX_SPEED: '100' });
  const [line, [message]] = await Promise.all([firstLine(child), once(child, 'message')]);
  const baseURL = /^sandbox listening on (?<url>http:\/\/127\.0\.0\.1:\d+)$/u.exec(line)?.groups?.[
    'url'
  ];
  expect(message).toEqual({ type: 'listening', url: baseURL });

  const client = new Reducto({ baseURL: baseURL ?? '', apiKey: 'two', maxRetries: 0 });
  const file = await toFile(await samplePdf([['From the compiled worker']]), 'a.pdf');
  const { file_id: input } = await client.upload({ file });
  const { job_id: id } = await client.parse.runJob({ input });
  const job = await client.get<unknown, object>(`/job/${id}`, { query: { timeout: 300 } });
  expect(JSON.stringify(job)).toContain('From the compiled worker');

  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('exits when its parent disconnects', async () => {
  const child = start({});
  await firstLine(child);
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('names all invalid settings', async () => {
  const child = start({ SANDBOX_SPEED: 'fast', SANDBOX_PLATFORM: '{"outage":1}' });
  if (!child.stderr) throw new Error('No stderr');
  const [output, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(code).toBe(1);
  expect(output).toContain('SANDBOX_SPEED');
  expect(output).toContain('SANDBOX_PLATFORM.outage');
});

test('lists its settings with --help', async () => {
  const child = start({}, ['--help']);
  if (!child.stdout) throw new Error('No stdout');
  expect(await text(child.stdout)).toContain('SANDBOX_SVIX_SECRETS');
});

test('logs changes of jobs with SANDBOX_LOG', async () => {
  const child = start({ SANDBOX_LOG: '1', SANDBOX_SPEED: '100' });
  if (!child.stdout) throw new Error('No stdout');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const { value: first } = await lines.next();
  const baseURL = String(first).replace('sandbox listening on ', '');
  const client = new Reducto({ baseURL, apiKey: 'sandbox-key', maxRetries: 0 });
  const { job_id: id } = await client.parse.runJob({ input: 'https://example.com/a.pdf' });
  expect((await lines.next()).value).toBe(`parse ${id} Pending`);
});
