import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const API_KEY = 'sandbox-key';

export interface SandboxProcess {
  readonly url: string;
  readonly apiKey: string;
  stop(): Promise<void>;
}

/** Starts the sandbox as a process of its own: nothing of it runs in the gateway. It ends with its parent. */
export async function startSandboxProcess(
  environment: NodeJS.ProcessEnv = {},
): Promise<SandboxProcess> {
  const program = fileURLToPath(new URL('../sandbox/main.js', import.meta.url));
  const child = fork(program, {
    // A group of its own: Ctrl-C reaches the gateway alone, which finishes first.
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      SANDBOX_PORT: '0',
      ...environment,
      SANDBOX_API_KEYS: API_KEY,
    },
  });
  return { url: await addressOf(child), apiKey: API_KEY, stop: () => stop(child) };
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => {
      if (typeof message === 'object' && 'url' in message) resolve(String(message.url));
    });
    child.once('exit', (code) =>
      reject(new Error(`the sandbox ended at its start (${code ?? 'signal'})`)),
    );
    child.once('error', reject);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
