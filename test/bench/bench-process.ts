import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { undoAtExit } from '../faults/clean-up.js';

const STOP_TIMEOUT_MS = 30_000;

export interface Launch {
  readonly environment: NodeJS.ProcessEnv;
  /** Gets the output, as a collector of logs would. */
  readonly logFile: string;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
}

/** A program of the project as a process that has said where it listens. */
export class BenchProcess {
  private constructor(
    readonly name: string,
    readonly child: ChildProcess,
    readonly url: string,
    readonly logFile: string,
  ) {}

  /** `script` is a built file: an absolute path, or one below the project. */
  static async start(name: string, script: string, launch: Launch): Promise<BenchProcess> {
    const { environment, logFile, args = [], execArgv = [] } = launch;
    const log = openSync(logFile, 'a');
    const child = fork(resolve(projectRoot(), script), [...args], {
      // A group of its own: Ctrl-C reaches the bench alone, which then ends the others.
      detached: true,
      execArgv: [...execArgv],
      stdio: ['ignore', log, log, 'ipc'],
      env: { PATH: process.env['PATH'], ...environment },
    });
    closeSync(log);
    const forget = undoAtExit(() => child.kill('SIGKILL'));
    child.once('exit', forget);
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve(urlIn(message)));
      child.once('error', reject);
      child.once('exit', () => {
        const tail = readFileSync(logFile, 'utf8').slice(-2000);
        reject(new Error(`${name} did not start:\n${tail}`));
      });
    });
    return new BenchProcess(name, child, url, logFile);
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(late);
  }
}

function urlIn(message: unknown): string {
  if (typeof message === 'object' && message !== null && 'url' in message) {
    return String(message.url);
  }
  throw new Error('a program said something else than where it listens');
}

/** The benches run compiled, below `dist/test`. */
function projectRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
