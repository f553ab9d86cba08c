import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { cpuSecondsOfFamily } from './cpu-time.js';
import { undoAtExit } from '../faults/clean-up.js';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';

/**
 * Durable, as production is. Memory and the distance between checkpoints are those of a small server of
 * its own, so that no checkpoint falls into the turn of one side and not of the other.
 */
const SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  max_connections: '200',
  // Counts statements; it costs all sides alike.
  shared_preload_libraries: 'pg_stat_statements',
};

export interface Postgres {
  /** The URL of a new, empty database. */
  create(name: string): Promise<string>;
  /** Runs one statement. */
  query<Row extends object>(url: string, sql: string, values?: readonly unknown[]): Promise<Row[]>;
  version(): Promise<string>;
  /** Seconds of CPU that the server has used, all its processes together. */
  cpuSeconds(): number | undefined;
  close(): Promise<void>;
}

export async function startPostgres(directory: string): Promise<Postgres> {
  const flags = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = await startEmbeddedPostgres(directory, flags);
  const lock = join(server.dataDirectory, 'postmaster.pid');
  const pid = Number(readFileSync(lock, 'utf8').split('\n')[0]);
  const forget = undoAtExit(() => endNow(pid));
  const query: Postgres['query'] = async <Row extends object>(
    url: string,
    sql: string,
    values: readonly unknown[] = [],
  ) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Row>(sql, [...values])).rows;
    } finally {
      await client.end();
    }
  };
  return {
    query,
    create: async (name) => {
      await query(server.url, `CREATE DATABASE ${name}`);
      const url = new URL(server.url);
      url.pathname = `/${name}`;
      return url.href;
    },
    version: async () => {
      const [row] = await query<{ server_version: string }>(server.url, 'SHOW server_version');
      return row?.server_version ?? 'unknown';
    },
    cpuSeconds: () => cpuSecondsOfFamily(pid),
    close: async () => {
      await server.stop();
      forget();
    },
  };
}

/** An exit waits for nothing, and what lies in the directory can only go when nobody writes there. */
function endNow(pid: number): void {
  process.kill(pid, 'SIGQUIT');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; tries < 100 && isThere(pid); tries++) Atomics.wait(pause, 0, 0, 50);
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
