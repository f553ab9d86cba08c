import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client } from 'pg';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { checkDatabase } from '../../src/doctor/database-check.js';
import { Settings } from '../../src/platform/config/settings.js';
import { prepareDatabase } from '../../src/platform/database/prepare-database.js';
import { eventually, newDatabase } from '../support/gateway.js';
import { databaseUrl } from '../support/global-setup.js';
import { startTransactionPooler } from '../support/transaction-pooler.js';

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function onServer(statement: string): Promise<void> {
  const client = new Client({ connectionString: inject('databaseUrl') });
  await client.connect();
  await client.query(statement);
  await client.end();
}

async function migrated(): Promise<string> {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  return database.url;
}

async function inEncoding(encoding: string): Promise<string> {
  const name = `test_encoding_${encoding.toLowerCase()}_${process.pid}`;
  await onServer(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING '${encoding}' LOCALE 'C'`);
  cleanUps.push(() => onServer(`DROP DATABASE ${name} WITH (FORCE)`));
  return databaseUrl(inject('databaseUrl'), name);
}

async function pooled(sessions: number, order: 'newest' | 'oldest'): Promise<string> {
  const pooler = await startTransactionPooler(await migrated(), sessions, order);
  cleanUps.push(() => pooler.close());
  return pooler.url;
}

function start(url: string): { done: Promise<void>; waits: unknown[] } {
  const waits: unknown[] = [];
  const log = {
    log: () => undefined,
    error: () => undefined,
    warn: ({ err }: { err: Error }) => void waits.push(err.message),
  };
  const settings = Settings.load({ DATABASE_URL: url, DATABASE_TIMEOUT_SECONDS: '2' });
  return { waits, done: prepareDatabase(settings, log) };
}

async function problemsOf(url: string): Promise<string> {
  const settings = Settings.load({ DATABASE_URL: url });
  const findings = await checkDatabase(settings, AbortSignal.timeout(20_000));
  return JSON.stringify(
    findings.filter(({ check, status }) => status === 'fail' && check !== 'durability'),
  );
}

describe.each(['LATIN1', 'SQL_ASCII', 'EUC_KR'])('a database in the encoding %s', (encoding) => {
  it('stops the start', async () => {
    await expect(start(await inEncoding(encoding)).done).rejects.toThrow(
      `stores text as ${encoding}, and the gateway needs UTF8`,
    );
  });

  it('is reported by the doctor', async () => {
    expect(await problemsOf(await inEncoding(encoding))).toContain(`stores text as ${encoding}`);
  });
});

it('refuses a database in another encoding in the migrate command, with one sentence', async () => {
  const url = await inEncoding('LATIN2');
  const child = spawn(process.execPath, ['dist/src/cli.js', 'migrate'], {
    env: { PATH: process.env['PATH'], DATABASE_URL: url },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part) => (text += String(part)));
  }
  expect(((await once(child, 'close')) as [number])[0]).toBe(1);
  expect(text.trim()).toBe(
    "The database of DATABASE_URL stores text as LATIN2, and the gateway needs UTF8: create it with ENCODING 'UTF8'.",
  );
});

describe.each([
  [1, 'newest'],
  [2, 'newest'],
  [2, 'oldest'],
  [3, 'oldest'],
] as const)('a pooler in transaction mode with %d sessions, %s first,', (sessions, order) => {
  it('stops the start', async () => {
    const { done } = start(await pooled(sessions, order));
    await expect(done).rejects.toThrow('behind a connection pooler in transaction mode');
  });

  it('is reported by the doctor', async () => {
    expect(await problemsOf(await pooled(sessions, order))).toContain('transaction mode');
  });
});

it('accepts a database without a pooler', async () => {
  const url = await migrated();
  await start(url).done;
  expect(await problemsOf(url)).toBe('[]');
});

it('waits at startup for a read-only database', async () => {
  const url = await migrated();
  const name = new URL(url).pathname.slice(1);
  await onServer(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  const { done, waits } = start(url);
  await eventually('it waits', () => (waits.length > 0 ? true : undefined));
  expect(waits[0]).toContain('read-only');
  await onServer(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
  await done;
});
