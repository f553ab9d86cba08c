import { fork, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';

/* Starts the built gateway as a process. `npm test` builds it first. */

export const ADMIN_KEY = randomBytes(24).toString('hex');

/** Cleanup steps of the test; `cleanUp` runs them in reverse order. */
export const cleanUps: (() => Promise<unknown>)[] = [];

export async function cleanUp(): Promise<void> {
  for (const undo of cleanUps.splice(0).toReversed()) await undo();
}

export interface Started {
  child: ChildProcess;
  url: string;
  output: string[];
}

export async function start(environment: Record<string, string>): Promise<Started> {
  const child = fork('dist/src/main.js', {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      BOOTSTRAP_ADMIN_KEY: ADMIN_KEY,
      ...environment,
    },
  });
  cleanUps.push(() => end(child, 'SIGTERM'));
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (text: Buffer) => output.push(text.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { url: string }).url));
    child.once('exit', () => reject(new Error(output.join(''))));
  });
  return { child, url, output };
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, 'exit');
  child.kill(signal);
  return ((await exit) as [number | null])[0];
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams, in the order of arrival. */
  readonly text: string;
}

/** Runs a program with only `environment` and waits for it to exit. */
export async function run(
  args: readonly string[],
  environment: Record<string, string> = {},
  program = process.execPath,
): Promise<Finished> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  const output = { stdout: '', stderr: '', text: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      output[name] += part;
      output.text += part;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...output };
}
