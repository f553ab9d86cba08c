import { describe, expect, test } from 'vitest';
import { PlatformSettings } from '../../src/sandbox/faults/platform-switches.js';
import { anyDocument, authorized, bench, call, submit, submitAndEnd } from './support.js';

test('a region outage affects every API route, but not storage and control', async () => {
  const test = await bench();
  const body = { ...anyDocument, settings: { force_url_result: true } };
  const id = await submitAndEnd(test, body);
  const [, link = ''] =
    /"url":"(?<url>[^"]+)"/u.exec(JSON.stringify(await test.client.job.get(id))) ?? [];
  test.sandbox.platform.set({ outageStatus: 503 });
  for (const attempt of [() => test.client.job.get(id), () => submit(test.client, anyDocument)]) {
    await expect(attempt()).rejects.toMatchObject({ status: 503 });
  }
  expect((await call(link)).status).toBe(200);
  expect((await call(`${test.sandbox.controlUrl}/state`)).status).toBe(200);
});

describe('an old version', () => {
  test('has no GET /jobs, no errors in jobs, and no DELETE', async () => {
    const test = await bench({ platform: { profile: 'old' } });
    const id = await submitAndEnd(test, { ...anyDocument, sim: { outcome: 'failed' } });
    const address = `${test.sandbox.url}/job/${id}`;
    expect(await test.client.job.get(id)).not.toHaveProperty('error');
    expect((await call(address, { ...authorized(test.sandbox), method: 'DELETE' })).status).toBe(
      405,
    );
    await expect(test.client.job.getAll()).rejects.toMatchObject({ status: 404 });
    expect(await test.client.apiVersion()).toContain('v1.9.55');
  });
});

describe('GET /job variants', () => {
  test('returns the simple variant by default, the enhanced one if it is switched on', async () => {
    const test = await bench();
    const id = await submitAndEnd(test, anyDocument);
    expect(Object.keys(await test.client.job.get(id)).toSorted()).toEqual([
      'error',
      'progress',
      'reason',
      'result',
      'status',
    ]);
    test.sandbox.platform.set({ enhanced: true });
    expect(await test.client.job.get(id)).toMatchObject({
      type: 'Parse',
      num_pages: 1,
      total_pages: 1,
      duration: expect.any(Number),
      created_at: expect.stringMatching(/^20\d\d-/u),
      raw_config: JSON.stringify(anyDocument),
      source: null,
      bucket: null,
    });
  });

  test('shows internal statuses with rawStatuses', async () => {
    const { client } = await bench({ platform: { rawStatuses: true } });
    const working = await submit(client, { ...anyDocument, sim: { stuck: 'InProgress' } });
    await expect.poll(async () => (await client.job.get(working)).status).toBe('InProgress');
  });

  test.each<[PlatformSettings['cancelledView'], object]>([
    ['failed', { status: 'Failed' }],
    ['cancelled', { status: 'Cancelled' }],
  ])('shows a cancelled job as %s', async (cancelledView, expected) => {
    const test = await bench({ platform: { ...(cancelledView && { cancelledView }) } });
    const id = await cancelled(test);
    expect(await test.client.job.get(id)).toMatchObject(expected);
  });

  test('returns 409 for a cancelled job with cancelledView conflict', async () => {
    const test = await bench({ platform: { cancelledView: 'conflict' } });
    const id = await cancelled(test);
    await expect(test.client.job.get(id)).rejects.toMatchObject({ status: 409 });
  });

  test('ignores ?timeout= if longPoll is off', async () => {
    const { client } = await bench({ speed: 0, platform: { longPoll: false } });
    const id = await submit(client, { ...anyDocument, sim: { stuck: 'Pending' } });
    const job = await client.get<unknown, { status: string }>(`/job/${id}`, {
      query: { timeout: 60 },
    });
    expect(job.status).toBe('Pending');
  });
});

describe('cancelling a finished job', () => {
  test('succeeds by default and changes nothing', async () => {
    const test = await bench();
    const id = await submitAndEnd(test, anyDocument);
    expect(await test.client.job.cancel(id)).toEqual({});
    expect((await test.client.job.get(id)).status).toBe('Completed');
  });

  test.each([
    ['conflict', 409],
    ['notFound', 404],
  ] as const)('fails with %s if cancelFinished says so', async (cancelFinished, status) => {
    const test = await bench({ platform: { cancelFinished } });
    const id = await submitAndEnd(test, anyDocument);
    await expect(test.client.job.cancel(id)).rejects.toMatchObject({ status });
    expect((await test.client.job.get(id)).status).toBe('Completed');
  });
});

describe('rate limits', () => {
  test.each([
    [{ rateLimitPerSecond: 3 }, '/version', 429, '[CODE 1000]'],
    [{ rateLimitPerSecond: 3, rateLimitFlavour: 'bare429' }, '/version', 429, 'Too many requests'],
    [{ rateLimitPerSecond: 3, rateLimitFlavour: 'html503' }, '/version', 503, '<html>'],
    [{ jobReadsPerSecond: 3 }, '/job/any', 429, '[CODE 2000]'],
  ] as const)('%j', async (platform, path, status, message) => {
    const answers = await burst(platform, path);
    const refused = answers.filter((answer) => answer.status === status);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(9);
    expect(await refused[0]?.text()).toContain(message);
  });

  test('limits reads of jobs separately', async () => {
    const answers = await burst({ jobReadsPerSecond: 1 }, '/version');
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  });

  test('sends Retry-After only if it is set', async () => {
    const answers = await burst({ rateLimitPerSecond: 1, retryAfterSeconds: 4 }, '/version');
    expect(answers.find(({ status }) => status === 429)?.headers.get('retry-after')).toBe('4');
  });
});

describe('the limit of concurrent jobs', () => {
  test('queues further jobs and starts priority jobs first', async () => {
    const { sandbox, client } = await bench({
      speed: 0,
      platform: { maxConcurrentJobs: 1, queueMs: 10, runMs: 1_000 },
    });
    const first = await submit(client, anyDocument);
    await sandbox.clock.advance(10);
    const normal = await submit(client, anyDocument);
    const urgent = await submit(client, { ...anyDocument, async: { priority: true } });
    const statuses = (): unknown[] =>
      [first, normal, urgent].map((id) => sandbox.jobs.find(id)?.status);
    await sandbox.clock.advance(10);
    expect(statuses()).toEqual(['InProgress', 'Pending', 'Pending']);
    await sandbox.clock.advance(1_000);
    expect(statuses()).toEqual(['Completed', 'Pending', 'InProgress']);
    await sandbox.clock.advance(2_000);
    expect(statuses()).toEqual(['Completed', 'Completed', 'Completed']);
  });
});

test('lists a new job after the delay', async () => {
  const { sandbox, client } = await bench({ speed: 0, platform: { listDelayMs: 1_000 } });
  await submit(client, anyDocument);
  expect((await client.job.getAll()).jobs).toEqual([]);
  await sandbox.clock.advance(1_000);
  expect((await client.job.getAll()).jobs).toHaveLength(1);
});

test('applies the clock skew to created_at', async () => {
  const { sandbox, client } = await bench({ speed: 0, platform: { clockSkewMs: 360_000 } });
  const id = await submit(client, anyDocument);
  const { jobs } = await client.job.getAll();
  const created = Date.parse(jobs[0]?.created_at ?? '');
  expect(created - (sandbox.jobs.find(id)?.createdAt ?? 0)).toBeCloseTo(360_000, -2);
});

test('the on-prem profile has no API keys, no Svix, and HTML rate limits', async () => {
  const { sandbox } = await bench({ platform: { profile: 'onprem' } });
  expect(sandbox.platform.current).toMatchObject({
    auth: 'off',
    rateLimitPerSecond: 250,
    rateLimitFlavour: 'html503',
    svixEnabled: false,
    retentionMinutes: 60,
  });
});

/**
 * A burst may span two windows of one second. Hence, a burst of three times the limit exceeds it at
 * least once.
 */
async function burst(platform: PlatformSettings, path: string): Promise<Response[]> {
  const { sandbox } = await bench({ platform });
  const calls = Array.from({ length: 9 }, () => fetch(sandbox.url + path, authorized(sandbox)));
  return Promise.all(calls);
}

async function cancelled(test: Awaited<ReturnType<typeof bench>>): Promise<string> {
  const id = await submit(test.client, { ...anyDocument, sim: { stuck: 'Pending' } });
  await test.client.job.cancel(id);
  await test.sandbox.jobs.waitFor(({ status }) => status === 'Cancelled');
  return id;
}
