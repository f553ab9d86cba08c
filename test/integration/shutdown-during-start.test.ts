import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, newDatabase } from '../support/gateway.js';
import { newProxiedDatabase } from '../support/proxied-gateway.js';

/* Built processes as PID 1 of a container without an init, where the machine allows it: there, the kernel
   drops every signal that has no handler. */

const AS_PID_1 = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function canUnshare(): boolean {
  const [command = '', ...args] = AS_PID_1;
  try {
    execFileSync(command, [...args, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Generous: a start that ignored the signal would wait for two minutes. */
const STOP_MILLISECONDS = 10_000;

const PREFIX = canUnshare() ? AS_PID_1 : [];

interface Starting {
  readonly output: () => string;
  /** The exit code after `signal`, and the time that it took. */
  stop(signal: NodeJS.Signals): Promise<{ code: number | null; milliseconds: number }>;
}

function start(program: readonly string[], environment: Record<string, string>): Starting {
  const [command = '', ...args] = [...PREFIX, process.execPath, ...program];
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      LOG_FORMAT: 'json',
      PORT: '0',
      DATABASE_TIMEOUT_SECONDS: '1',
      ...environment,
    },
  });
  cleanUps.push(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part) => (output += String(part)));
  }
  return {
    output: () => output,
    stop: async (signal) => {
      const exit = once(child, 'exit');
      const begin = performance.now();
      process.kill(gatewayOf(child), signal);
      const [code] = (await exit) as [number | null];
      return { code, milliseconds: performance.now() - begin };
    },
  };
}

/** `unshare` is its parent. */
function gatewayOf({ pid = 0 }: ChildProcess): number {
  return PREFIX.length === 0
    ? pid
    : Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

/** A start loads and migrates for seconds. */
async function said(starting: Starting, text: string): Promise<void> {
  await expect.poll(starting.output).toContain(text);
}

async function silentDatabase(): Promise<string> {
  const database = await newProxiedDatabase();
  cleanUps.push(() => database.close());
  database.proxy.set('silent');
  return database.url;
}

const MAIN = ['dist/src/main.js'];
const settings = {
  REDUCTO_API_KEY: 'key',
  TOKEN_KEYS: `1:${Buffer.alloc(32, 7).toString('base64')}`,
};

describe('a stop signal ends at once', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('a start that waits for the database (%s)', async (signal, expected) => {
    const starting = start(MAIN, { ...settings, DATABASE_URL: await silentDatabase() });
    await said(starting, 'waiting for the database');
    const { code, milliseconds } = await starting.stop(signal);
    expect(code).toBe(expected);
    expect(milliseconds).toBeLessThan(STOP_MILLISECONDS);
  });

  it('a start that waits for the migrations of another process', async () => {
    const database = await newDatabase();
    cleanUps.push(() => database.drop());
    const other = new Client({ connectionString: database.url });
    await other.connect();
    cleanUps.push(() => other.end());
    await other.query('SELECT pg_advisory_lock(7203114905)');
    const starting = start(MAIN, { ...settings, DATABASE_URL: database.url });
    const asks = async (): Promise<number | null> => {
      const { rowCount } = await other.query(
        `SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()`,
      );
      return rowCount;
    };
    await expect.poll(asks).toBeGreaterThan(0);
    const { code, milliseconds } = await starting.stop('SIGTERM');
    expect(code).toBe(143);
    expect(milliseconds).toBeLessThan(STOP_MILLISECONDS);
  });

  it('a start that makes its embedded database, which the next start then completes', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gateway-stop-'));
    cleanUps.push(() => rm(directory, { recursive: true, force: true }));
    const first = start(MAIN, { ...settings, DATA_DIR: directory });
    const isMaking = (): boolean => existsSync(join(directory, 'postgres.new'));
    await expect.poll(isMaking, { interval: 20 }).toBe(true);
    const { code, milliseconds } = await first.stop('SIGTERM');
    expect(code).toBe(143);
    expect(milliseconds).toBeLessThan(STOP_MILLISECONDS);
    const second = start(MAIN, { ...settings, DATA_DIR: directory });
    await said(second, 'gateway listening');
    expect((await second.stop('SIGTERM')).code).toBe(0);
  });

  it('the migrate command that waits for the database', async () => {
    const program = ['dist/src/cli.js', 'migrate'];
    const starting = start(program, { DATABASE_URL: await silentDatabase() });
    await said(starting, 'waiting for the database');
    const { code, milliseconds } = await starting.stop('SIGTERM');
    expect(code).toBe(143);
    expect(milliseconds).toBeLessThan(STOP_MILLISECONDS);
  });

  it('the doctor that waits for the database', async () => {
    const database = await newProxiedDatabase();
    cleanUps.push(() => database.close());
    database.proxy.set('silent');
    const starting = start(['dist/src/cli.js', 'doctor'], { DATABASE_URL: database.url });
    await eventually('it connects', () => (database.proxy.connections() > 0 ? true : undefined));
    const { code, milliseconds } = await starting.stop('SIGTERM');
    expect(code).toBe(143);
    expect(milliseconds).toBeLessThan(STOP_MILLISECONDS);
  });
});
