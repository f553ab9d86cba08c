import { execFile, execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
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
  close(): Promise<void>;
}

export async function startPostgres(directory: string): Promise<CrashablePostgres> {
  // Half-open connections stay with the server until it notices: more than the pools hold together.
  const server = await startEmbeddedPostgres(directory, ['-c', 'max_connections=400']);
  const binaries = await findBinaries();
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
  const forget = undoAtExit(() => {
    const [command, args] = commandOf('stop');
    execFileSync(command, args, { ...options, stdio: 'ignore' });
  });
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    // The server keeps its command line, and with it the port, in a file beside its data.
    crash: async () => {
      await run(...commandOf('restart', '-l', join(directory, 'postgres.log')), options);
    },
    close: async () => {
      await server.stop();
      forget();
    },
  };
}
