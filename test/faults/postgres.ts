import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';
import { findBinaries } from '../../src/dev/postgres-binaries.js';
import { undoAtExit } from './clean-up.js';

const run = promisify(execFile);

/** A real PostgreSQL with durable settings that can be crashed. */
export interface CrashablePostgres {
  readonly url: string;
  readonly port: number;
  /** As after a power cut: the server ends at once, and recovers from its log on the same port. */
  crash(): Promise<void>;
  /** kill -9 of the server; `start` lets it recover on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** The kernel stops all its processes where they are, and lets them go on. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/** @param installation the directory of another PostgreSQL than that of the npm packages */
export async function startPostgres(
  directory: string,
  installation?: string,
): Promise<CrashablePostgres> {
  // Half-open connections stay with the server until it notices: more than the pools hold together.
  const server = await startEmbeddedPostgres(
    directory,
    ['-c', 'max_connections=400'],
    installation,
  );
  const binaries = await findBinaries(installation);
  // A restart repeats the command line of the start, whose paths are relative to this folder.
  const options = {
    ...binaries.identity,
    cwd: resolve(directory),
    env: { ...process.env, LC_ALL: 'C' },
  };
  const commandOf = (...args: string[]): [string, string[]] => {
    const [command, ...rest] = [
      ...binaries.prefix,
      join(binaries.directory, 'pg_ctl'),
      ...args,
      '-D',
      server.dataDirectory,
      '-m',
      'immediate',
      '-w',
      '-t',
      '60',
    ];
    return [command ?? 'pg_ctl', rest];
  };
  const start = async (): Promise<void> => {
    await run(...commandOf('restart', '-l', join(directory, 'postgres.log')), options);
  };
  /** The postmaster, then its children. */
  const family = (): [number, ...number[]] => {
    const lock = readFileSync(join(server.dataDirectory, 'postmaster.pid'), 'utf8');
    const postmaster = Number(lock.split('\n')[0]);
    return [postmaster, ...childrenOf(postmaster)];
  };
  const forget = undoAtExit(() => {
    const [command, args] = commandOf('stop');
    execFileSync(command, args, { ...options, stdio: 'ignore' });
  });
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    // The server keeps its command line, and with it the port, in a file beside its data.
    crash: start,
    kill: async () => {
      const [postmaster] = family();
      process.kill(postmaster, 'SIGKILL');
      await expectEnd(postmaster);
    },
    start,
    pause: () => family().forEach((pid) => signal(pid, 'SIGSTOP')),
    resume: () => family().forEach((pid) => signal(pid, 'SIGCONT')),
    close: async () => {
      await server.stop();
      forget();
    },
  };
}

/** A server process may have ended since it was listed. */
function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

async function expectEnd(pid: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (parentOf(pid) === undefined) return;
    await sleep(20);
  }
  throw new Error(`process ${pid} does not end`);
}
