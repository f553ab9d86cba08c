import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Pool } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newDatabase, send } from '../support/gateway.js';
import { answerOf, LinkedResults, withImages } from '../support/linked-results.js';
import { countOf } from '../support/old-jobs.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, start, type Started } from '../support/processes.js';
import type { RawAnswer } from '../support/raw-upstream.js';

/* Processes that are killed, or have little memory, while they fetch files. */

let results: LinkedResults;
let pool: Pool;
let settings: Record<string, string>;
let key: string;

beforeEach(async () => {
  results = await LinkedResults.start();
  cleanUps.push(() => results.close());
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  pool = new Pool({ connectionString: database.url, max: 3 });
  cleanUps.push(() => pool.end());
  settings = {
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: 'key',
    REDUCTO_BASE_URL: results.upstream.url,
    WEBHOOK_MODE: 'none',
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    AUDIT_KEYS: `1:${randomBytes(32).toString('base64')}`,
    POLL_SCHEDULE_SECONDS: '0.3',
    LOG_FORMAT: 'json',
  };
});
afterEach(cleanUp);

const FILES = 'content_id IN (SELECT content_id FROM job_files)';
const statusOf = async (id: string): Promise<string> =>
  (await pool.query('SELECT status FROM jobs WHERE id = $1', [id])).rows[0].status;

async function submit({ url }: Started): Promise<string> {
  const created = await send(
    `${url}/v1/admin/keys`,
    'POST',
    { service: 'invoices', scopes: ['jobs'] },
    { authorization: `Bearer ${ADMIN_KEY}` },
  );
  key = created.body.key;
  const body = { type: 'parse', input: 'https://example.com/a.pdf' };
  const answer = await send(`${url}/v1/jobs`, 'POST', body, { authorization: `Bearer ${key}` });
  return answer.body.id;
}

async function contentsAt({ url }: Started, id: string): Promise<string[]> {
  const headers = { authorization: `Bearer ${key}` };
  const { body } = await send(`${url}/v1/jobs/${id}/files`, 'GET', undefined, headers);
  return Promise.all(
    body.files.map(async ({ name }: { name: string }) =>
      (await fetch(`${url}/v1/jobs/${id}/files/${name}`, { headers })).text(),
    ),
  );
}

/** Where the system has no /proc, 1: only the limit of the heap is tested. */
async function residentBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 1);
}

async function completed(id: string): Promise<void> {
  await expect.poll(() => statusOf(id), { interval: 50 }).toBe('completed');
}

it('a process that is killed in the middle of a download completes no job, and another fetches all files', async () => {
  const held = Promise.withResolvers<RawAnswer>();
  const links = [results.link('first'), results.link('second')];
  results.files.set('/stored/second', () => held.promise);
  results.completeWith(withImages(...links));
  const first = await start(settings);
  const id = await submit(first);
  await expect.poll(() => countOf(pool, 'result_chunks')).toBe(1);
  await end(first.child, 'SIGKILL');
  expect(await statusOf(id)).toBe('submitted');
  expect(await countOf(pool, 'job_files')).toBe(0);
  results.files.set('/stored/second', answerOf('content of second'));
  held.resolve({ status: 500 });
  const second = await start(settings);
  await completed(id);
  expect(await contentsAt(second, id)).toEqual(['content of first', 'content of second']);
});

it('a process that is killed after it stored the files and before the commit completes no job', async () => {
  results.upstream.answers.poll = { body: '{"status":"Pending"}' };
  const first = await start(settings);
  const id = await submit(first);
  await expect.poll(() => statusOf(id)).toBe('submitted');
  const holder = await pool.connect();
  try {
    // Every completion waits, and leases do not.
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE job_results IN EXCLUSIVE MODE');
    results.completeWith(withImages(results.link('only')));
    await expect
      .poll(() => countOf(pool, 'pg_locks', `NOT granted AND relation = 'job_results'::regclass`))
      .toBeGreaterThan(0);
    await end(first.child, 'SIGKILL');
    expect(await countOf(pool, 'result_chunks')).toBe(1);
    // The server ends the session that waits.
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'job_results'::regclass`,
    );
    await holder.query('COMMIT');
  } finally {
    holder.release();
  }
  expect([await statusOf(id), await countOf(pool, 'job_files')]).toEqual(['submitted', 0]);
  const second = await start(settings);
  await completed(id);
  expect(await contentsAt(second, id)).toEqual(['content of only']);
  expect(await countOf(pool, 'result_chunks', FILES)).toBe(1);
});

it('a process that is killed right after the commit leaves the job with its files', async () => {
  results.completeWith(withImages(results.link('only')));
  const first = await start(settings);
  const id = await submit(first);
  await completed(id);
  await end(first.child, 'SIGKILL');
  results.expireLinks();
  expect(await contentsAt(await start(settings), id)).toEqual(['content of only']);
});

it('a result of 200 MB with 300 images fits into the memory of the compose file', async () => {
  const image = randomBytes(400_000);
  const links = Array.from({ length: 300 }, (_, n) => results.link(`image-${n}`, image));
  const text = `{"content":"${'x'.repeat(660_000)}","blocks":[{"image_url":"@"}]}`;
  const parts = links.map((url, n) => Buffer.from((n === 0 ? '' : ',') + text.replace('@', url)));
  results.files.set('/stored/document', {
    body: ['{"type":"full","chunks":[', ...parts, ']}'],
  });
  results.completeWith({
    job_id: '@',
    result: { type: 'url', url: `${results.upstream.url}/stored/document?sig=x`, result_id: 'r' },
  });
  // 55 % of 768 MB, as the image's command sets it.
  const gateway = await start({ ...settings, NODE_OPTIONS: '--max-old-space-size=422' });
  const id = await submit(gateway);
  let peak = 0;
  await expect
    .poll(
      async () => {
        peak = Math.max(peak, await residentBytes(gateway.child.pid));
        return statusOf(id);
      },
      { timeout: 150_000, interval: 100 },
    )
    .toBe('completed');
  const { rows } = await pool.query(
    'SELECT count(*)::int AS files, sum(size_bytes)::int AS bytes FROM job_files',
  );
  expect(rows).toEqual([{ files: 300, bytes: 120_000_000 }]);
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThan(768 * 1024 * 1024);
}, 180_000);
