import { describe, expect, test } from 'vitest';
import { anyDocument, authorized, bench, Bench, call, submit, submitAndEnd } from './support.js';

async function ended(test: Bench, sim: Record<string, unknown>): Promise<string> {
  return submitAndEnd(test, { ...anyDocument, sim });
}

test('returns 404 for the given time after the submit', async () => {
  const { sandbox, client } = await bench({ speed: 0 });
  const id = await submit(client, { ...anyDocument, sim: { poll: { notFoundMs: 1_000 } } });
  await expect(client.job.get(id)).rejects.toMatchObject({ status: 404 });
  await sandbox.clock.advance(1_000);
  expect((await client.job.get(id)).status).toBe('Completed');
});

test('shows Pending in the given number of reads after the end', async () => {
  const test = await bench();
  const id = await ended(test, { poll: { pendingReads: 2 } });
  const statuses: string[] = [];
  for (let n = 0; n < 3; n++) statuses.push((await test.client.job.get(id)).status);
  expect(statuses).toEqual(['Pending', 'Pending', 'Completed']);
});

test('shows an unknown status without the result', async () => {
  const test = await bench();
  const id = await ended(test, { poll: { status: 'Reticulating' } });
  expect(await test.client.job.get(id)).toMatchObject({ status: 'Reticulating', result: null });
});

test('shows Completed without a result', async () => {
  const test = await bench();
  const id = await ended(test, { poll: { resultNull: true } });
  expect(await test.client.job.get(id)).toMatchObject({ status: 'Completed', result: null });
});

test('shows Failed without a reason', async () => {
  const test = await bench();
  const id = await ended(test, { outcome: 'failed', reason: null });
  expect(await test.client.job.get(id)).toMatchObject({
    status: 'Failed',
    reason: null,
    error: null,
  });
});

test.each(['Pending', 'Idle', 'InProgress', 'Completing'])('keeps a job in %s', async (stuck) => {
  const { sandbox, client } = await bench({ speed: 0 });
  const id = await submit(client, { ...anyDocument, sim: { stuck } });
  await sandbox.clock.advance(3_600_000);
  expect(sandbox.jobs.find(id)?.status).toBe(stuck);
  expect((await client.job.get(id)).status).toBe(stuck === 'Idle' ? 'Idle' : 'Pending');
});

test('keeps a job in Idle for the given time', async () => {
  const { sandbox, client } = await bench({ speed: 0 });
  const id = await submit(client, { ...anyDocument, sim: { idleMs: 3_600_000 } });
  expect((await client.job.get(id)).status).toBe('Idle');
  await sandbox.clock.advance(3_600_000);
  expect((await client.job.get(id)).status).toBe('Completed');
});

test('reports the given page count', async () => {
  const test = await bench();
  const id = await ended(test, { numPages: 1_000 });
  expect(await test.client.job.get(id)).toMatchObject({ result: { usage: { num_pages: 1_000 } } });
});

describe('broken responses, with valid ones after them', () => {
  test.each([
    [{ fault: 'http' }, 503, /Simulated/u],
    [{ fault: 'http', httpStatus: 500 }, 500, /Simulated/u],
    [{ fault: 'htmlHttp', httpStatus: 502 }, 502, /<html>/u],
    [{ fault: 'code1000' }, 429, /\[CODE 1000\]/u],
    [{ fault: 'code2000' }, 429, /\[CODE 2000\]/u],
    [{ fault: 'bare429' }, 429, /^(?!.*\[CODE)/u],
  ])('returns the error of %j', async (poll, status, message) => {
    const test = await bench();
    const id = await ended(test, { poll: { ...poll, times: 2 } });
    for (let n = 0; n < 2; n++) {
      await expect(test.client.job.get(id)).rejects.toMatchObject({
        status,
        message: expect.stringMatching(message),
      });
    }
    expect((await test.client.job.get(id)).status).toBe('Completed');
  });

  test('sends truncated JSON', async () => {
    const test = await bench();
    const id = await ended(test, { poll: { fault: 'truncated', times: 1 } });
    const { status, text, json } = await call(
      `${test.sandbox.url}/job/${id}`,
      authorized(test.sandbox),
    );
    expect([status, json]).toEqual([200, null]);
    expect(text).toMatch(/^\{"status":"Completed"/u);
  });

  test.each(['reset', 'hang'])('sends no response with %s', async (fault) => {
    const test = await bench();
    const id = await ended(test, { poll: { fault, times: 1 } });
    await expect(test.client.job.get(id, { timeout: 300 })).rejects.toThrow(
      /Connection error|timed out/u,
    );
    expect((await test.client.job.get(id)).status).toBe('Completed');
  });

  test('delays the response with slow', async () => {
    const test = await bench({ speed: 0 });
    const id = await ended(test, { poll: { fault: 'slow', delayMs: 2_000 } });
    const read = test.client.job.get(id);
    await test.sandbox.jobs.waitFor(() => true);
    while (test.sandbox.jobs.find(id)?.faultyReads === 0) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await test.sandbox.clock.advance(2_000);
    expect((await read).status).toBe('Completed');
  });
});
