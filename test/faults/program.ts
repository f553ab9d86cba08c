import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { undoAtExit } from './clean-up.js';

/** Longer than a start takes on a busy machine while the database comes back. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/** A program of the project as a process: it can be killed, paused, and started again. */
export class Program {
  /** Ends that nobody had asked for, after it had once said that it listens. */
  readonly surprises: string[] = [];
  /** Starts that failed, as they do while the database is away. */
  failedStarts = 0;
  private child: ChildProcess | undefined;
  private wanted = false;
  private url: string | undefined;

  /** `script` is a built file of the project; output is appended to `logFile`. */
  constructor(
    readonly name: string,
    private script: string,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly logFile: string,
  ) {}

  /** Where it listens; `undefined` while it does not. */
  get port(): number | undefined {
    return this.url === undefined ? undefined : Number(new URL(this.url).port);
  }

  /** Starts it, again and again as a supervisor would, until it listens. */
  async start(): Promise<string> {
    this.wanted = true;
    const end = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const url = await this.startOnce();
      if (url !== undefined) return url;
      this.failedStarts += 1;
      if (!this.wanted) throw new Error(`${this.name} is not wanted any more`);
      if (performance.now() > end)
        throw new Error(`${this.name} does not start, see ${this.logFile}`);
      await sleep(300);
    }
  }

  /** From its next start on it is another build. */
  replace(script: string): void {
    this.script = script;
  }

  /** Ends it as an operator or a crash would, and says how it ended. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<string> {
    this.wanted = false;
    const { child } = this;
    if (child === undefined || hasEnded(child)) return 'had ended';
    const ended = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(late);
    return endOf(child);
  }

  /** The kernel stops it where it is; its connections stay open and nobody answers on them. */
  pause(): void {
    this.child?.kill('SIGSTOP');
  }

  resume(): void {
    this.child?.kill('SIGCONT');
  }

  private async startOnce(): Promise<string | undefined> {
    const log = openSync(this.logFile, 'a');
    const child = fork(this.script, {
      // A group of its own: Ctrl-C reaches this process alone, which then ends the others.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { PATH: process.env['PATH'], ...this.environment },
    });
    closeSync(log);
    this.child = child;
    this.url = undefined;
    const forget = undoAtExit(() => child.kill('SIGKILL'));
    child.once('exit', () => {
      forget();
      if (this.child === child) this.onExit(child);
    });
    return new Promise((resolve) => {
      child.once('message', (message) => {
        this.url = urlIn(message);
        resolve(this.url);
      });
      child.once('exit', () => resolve(undefined));
      child.once('error', () => resolve(undefined));
    });
  }

  /** Only a program that had been up is started again here; `start` repeats the starts that fail. */
  private onExit(child: ChildProcess): void {
    const wasUp = this.url !== undefined;
    this.url = undefined;
    if (!this.wanted || !wasUp) return;
    this.surprises.push(`${this.name} ended by itself: ${endOf(child)}`);
    this.start().catch((error: unknown) => this.surprises.push(String(error)));
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function endOf(child: ChildProcess): string {
  return child.signalCode ?? `code ${child.exitCode}`;
}

function urlIn(message: unknown): string | undefined {
  return typeof message === 'object' && message !== null && 'url' in message
    ? String(message.url)
    : undefined;
}
