import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { startEmbeddedPostgres, type EmbeddedServer } from '../../src/dev/embedded-postgres.js';

/** A database that was put back from a backup. */
export interface Restored {
  readonly url: string;
  close(): Promise<void>;
}

/** A way to back up a database that is in use. `save` returns how to put it back, elsewhere. */
export interface Way {
  readonly name: string;
  save(server: EmbeddedServer, directory: string): Promise<() => Promise<Restored>>;
}

/**
 * `pg_dump` and `pg_restore`, as docs/operations.md has it. `PG_DUMP` and `PG_RESTORE` name them where they are
 * not on the path; they may be commands with arguments, as `docker run --rm -i --network host postgres:18 pg_dump`.
 */
export const dump: Way = {
  name: 'pg_dump',
  save: async (server, directory) => {
    const file = join(directory, 'gateway.dump');
    await pipe(programs.dump, ['--format=custom', '--dbname', server.url], undefined, file);
    return async () => {
      await statement(server.url, 'CREATE DATABASE restored TEMPLATE template0');
      const url = server.url.replace(/[^/]+$/, 'restored');
      const options = ['--exit-on-error', '--single-transaction', '--no-owner', '--dbname', url];
      await pipe(programs.restore, options, file, undefined);
      return { url, close: () => Promise.resolve() };
    };
  },
};

/** The files of a running server between `pg_backup_start` and `pg_backup_stop`: what `pg_basebackup` does. */
export const files: Way = {
  name: 'a copy of the files',
  save: async (server, directory) => {
    const root = join(directory, 'copy');
    const copy = join(root, 'postgres');
    await mkdir(root);
    // Both calls belong to one session.
    const session = new Client({ connectionString: server.url });
    await session.connect();
    await session.query(`SELECT pg_backup_start('test', fast => true)`);
    await run('cp', ['-a', server.dataDirectory, copy]);
    const { rows } = await session.query<{ labelfile: string }>(
      'SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)',
    );
    await session.end();
    // What was written meanwhile is in the log, which is complete up to here only now.
    await rm(join(copy, 'pg_wal'), { recursive: true });
    await run('cp', ['-a', join(server.dataDirectory, 'pg_wal'), join(copy, 'pg_wal')]);
    await rm(join(copy, 'postmaster.pid'), { force: true });
    await writeFile(join(copy, 'backup_label'), rows[0]?.labelfile ?? '');
    await run('chown', ['--reference', join(copy, 'PG_VERSION'), join(copy, 'backup_label')]);
    await run('cp', ['-a', join(server.dataDirectory, '..', 'postgres.password'), root]);
    return async () => {
      const restored = await startEmbeddedPostgres(root);
      return { url: restored.url, close: () => restored.stop() };
    };
  },
};

/** A server that `pg_dump` of this machine can dump, or the reason why there is none. */
export type DumpServer =
  | { readonly usable: true; readonly installation?: string }
  | { readonly usable: false; readonly reason: string };

/**
 * `pg_dump` refuses a server newer than itself. An older `pg_dump` is tried with the server of its own version,
 * where Debian's packages put it.
 */
export function findDumpServer(): DumpServer {
  const major = majorOf(programs.dump);
  if (major === undefined) return { usable: false, reason: 'pg_dump is not installed' };
  if (major >= EMBEDDED_VERSION) return { usable: true };
  const installation = `/usr/lib/postgresql/${major}`;
  if (existsSync(`${installation}/bin/postgres`)) return { usable: true, installation };
  const reason = `pg_dump ${major} does not dump a server ${EMBEDDED_VERSION}, and there is no server ${major}`;
  return { usable: false, reason };
}

function majorOf([command = '', ...args]: readonly string[]): number | undefined {
  try {
    const version = execFileSync(command, [...args, '--version'], { encoding: 'utf8' });
    return Number(/(\d+)/.exec(version)?.[1]);
  } catch {
    return undefined;
  }
}

const EMBEDDED_VERSION = 18;

const run = promisify(execFile);

const programs = {
  dump: (process.env['PG_DUMP'] ?? 'pg_dump').split(' '),
  restore: (process.env['PG_RESTORE'] ?? 'pg_restore').split(' '),
};

/** Runs a program with its input from a file, or its output into one. */
async function pipe(
  [command = '', ...first]: readonly string[],
  args: readonly string[],
  input: string | undefined,
  output: string | undefined,
): Promise<void> {
  const child = spawn(command, [...first, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => (said += String(text)));
  const ended = once(child, 'close') as Promise<[number | null]>;
  if (input === undefined) child.stdin.end();
  else await pipeline(createReadStream(input), child.stdin);
  if (output === undefined) child.stdout.resume();
  else await pipeline(child.stdout, createWriteStream(output));
  const [code] = await ended;
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${said}`);
}

async function statement(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}
