import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { startEmbeddedPostgres } from '../../src/dev/embedded-postgres.js';

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'data-dir-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

it('stores the embedded database in a directory with quotes, dollar signs, and non-ASCII letters in its name', async () => {
  const folder = join(await newFolder(), `o'brien "$HOME" $(exit) \`id\` & ü 資料 \\ %s`);
  const first = await startEmbeddedPostgres(folder);
  expect(existsSync(join(folder, 'postgres.log'))).toBe(true);
  await first.stop();
  const second = await startEmbeddedPostgres(folder);
  onTestFinished(() => second.stop());
  const client = new Client({ connectionString: second.url });
  await client.connect();
  const { rows } = await client.query<{ directory: string }>(
    'SELECT current_setting($1) AS directory',
    ['data_directory'],
  );
  await client.end();
  expect(rows[0]?.directory).toBe(second.dataDirectory);
});

it('recreates an embedded database that an interrupted start left incomplete', async () => {
  const folder = await newFolder();
  await mkdir(join(folder, 'postgres.new', 'base'), { recursive: true });
  const server = await startEmbeddedPostgres(folder);
  onTestFinished(() => server.stop());
  expect(existsSync(join(folder, 'postgres.new'))).toBe(false);
});
