import { spawn } from 'node:child_process';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
}

/** Runs a program to its end, whatever its status. */
export function attempt(
  program: string,
  args: readonly string[],
  { env = {}, input }: CommandOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env } });
    const parts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => (parts[name] += text));
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ status: code ?? 1, ...parts }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** The output of a program that must succeed. */
export async function run(
  program: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  const { status, stdout, stderr } = await attempt(program, args, options);
  if (status === 0) return stdout;
  const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-15).join('\n');
  throw new Error(`${program} ${args.join(' ').slice(0, 200)}: status ${status}\n${said}`);
}

/** Asks again, twice a second, until the answer is not `undefined`; an error counts as "not yet". */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  seconds = 60,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let reason = '';
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      reason = error instanceof Error ? `: ${error.message}` : '';
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s${reason}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
