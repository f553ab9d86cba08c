import { describe, expect, test } from 'vitest';
import {
  anyDocument,
  bench,
  Bench,
  call,
  Receiver,
  receiver,
  submit,
  submitAndEnd,
} from './support.js';

const metadata = { gateway_job_id: 'g-1', token: 'v1.abc' };

function body(url: string, sim: Record<string, unknown> = {}): Record<string, unknown> {
  return { ...anyDocument, sim, async: { metadata, webhook: { mode: 'direct', url } } };
}

async function callbackOf(test: Bench, hook: Receiver, webhook: object): Promise<unknown> {
  await submit(test.client, body(hook.url, { webhook }));
  const [first] = await hook.count(1);
  return first?.json;
}

test('sends a flat, unsigned body', async () => {
  const test = await bench();
  const hook = await receiver();
  const id = await submit(test.client, body(hook.url));
  const [first] = await hook.count(1);
  expect(first?.json).toEqual({ status: 'Completed', job_id: id, metadata });
  expect(Object.keys(first?.headers ?? {}).filter((name) => /svix|webhook/u.test(name))).toEqual(
    [],
  );
});

test('sends the status of a failed job without the reason', async () => {
  const test = await bench();
  const hook = await receiver();
  const id = await submit(test.client, body(hook.url, { outcome: 'failed', reason: 'secret' }));
  const [first] = await hook.count(1);
  expect(first?.json).toEqual({ status: 'Failed', job_id: id, metadata });
});

test('reads the callback of an edit from the top-level webhook, not from async', async () => {
  const test = await bench();
  const hook = await receiver();
  const edit = { document_url: anyDocument.input, edit_instructions: 'x' };
  const ignored = await submitAndEnd(test, { ...body(hook.url), ...edit }, 'edit');
  const webhook = { mode: 'direct', url: hook.url, metadata };
  const heard = await submit(test.client, { ...edit, webhook }, 'edit');
  const [first] = await hook.count(1);
  expect(first?.json).toEqual({ status: 'Completed', job_id: heard, metadata });
  expect(test.sandbox.deliveries.ofJob(ignored)).toEqual([]);
});

test('retries a failed callback three times, after 1, 2, and 4 s of virtual time', async () => {
  const test = await bench({ speed: 0 });
  const hook = await receiver({ status: 500 });
  const id = await submit(test.client, body(hook.url));
  await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
  await test.sandbox.clock.advance(3_600_000);
  const tries = test.sandbox.deliveries.ofJob(id);
  const [{ sentAt: start } = { sentAt: 0 }] = tries;
  expect(tries.map(({ sentAt, status }) => [Math.round(sentAt - start), status])).toEqual([
    [0, 500],
    [1_000, 500],
    [3_000, 500],
    [7_000, 500],
  ]);
  expect(hook.received).toHaveLength(4);
});

test('retries after a redirect without following it, and stops at the first 2xx', async () => {
  const test = await bench({ platform: { directRetryDelaysMs: [0, 0, 0] } });
  const elsewhere = await receiver();
  const hook = await receiver(
    { status: 302, headers: { location: elsewhere.url } },
    { status: 204 },
  );
  const id = await submit(test.client, body(hook.url));
  await test.sandbox.deliveries.waitFor(({ status }) => status === 204);
  await test.sandbox.clock.advance(60_000);
  expect(test.sandbox.deliveries.ofJob(id).map(({ status }) => status)).toEqual([302, 204]);
  expect(elsewhere.received).toEqual([]);
});

test('records a refused connection as an error', async () => {
  const test = await bench({ platform: { directRetryDelaysMs: [] } });
  const id = await submit(test.client, body('http://127.0.0.1:1/'));
  await test.sandbox.deliveries.waitFor(({ jobId }) => jobId === id);
  expect((await call(`${test.sandbox.controlUrl}/deliveries?job=${id}`)).json).toEqual([
    expect.objectContaining({ attempt: 1, status: null, error: expect.any(String) }),
  ]);
});

describe('webhook switches', () => {
  test('never: no callback is sent', async () => {
    const test = await bench();
    const hook = await receiver();
    const silent = await submitAndEnd(test, body(hook.url, { webhook: { send: 'never' } }));
    await submit(test.client, body(hook.url));
    await hook.count(1);
    await test.sandbox.clock.advance(60_000);
    expect(test.sandbox.deliveries.ofJob(silent)).toEqual([]);
  });

  test('beforeResponse: the callback arrives before the response to the submit', async () => {
    const test = await bench();
    const hook = await receiver();
    const order: string[] = [];
    void hook.count(1).then(() => order.push('callback'));
    await submit(test.client, body(hook.url, { webhook: { send: 'beforeResponse' } }));
    order.push('response');
    expect(order).toEqual(['callback', 'response']);
  });

  test('early: the callback says Completed before GET /job does', async () => {
    const test = await bench({ speed: 0, platform: { completingMs: 1_000 } });
    const hook = await receiver();
    const id = await submit(test.client, body(hook.url, { webhook: { send: 'early' } }));
    const [first] = await hook.count(1);
    expect(first?.json).toMatchObject({ status: 'Completed' });
    expect((await test.client.job.get(id)).status).toBe('Pending');
    await test.sandbox.clock.advance(1_000);
    expect((await test.client.job.get(id)).status).toBe('Completed');
    expect(hook.received).toHaveLength(1);
  });

  test('afterExpiry: the callback names a job that has expired', async () => {
    const test = await bench({ speed: 0, platform: { retentionMinutes: 60 } });
    const hook = await receiver();
    const id = await submitAndEnd(test, body(hook.url, { webhook: { send: 'afterExpiry' } }));
    expect(hook.received).toEqual([]);
    await test.sandbox.clock.advance(3_601_000);
    expect(hook.received).toHaveLength(1);
    await expect(test.client.job.get(id)).rejects.toMatchObject({ status: 404 });
  });

  test('webhookDelayMs: callbacks arrive in another order than the jobs end', async () => {
    const test = await bench({ speed: 0 });
    const hook = await receiver();
    const late = await submitAndEnd(test, body(hook.url, { webhookDelayMs: 2_000 }));
    const soon = await submitAndEnd(test, body(hook.url, { webhookDelayMs: 1_000 }));
    await test.sandbox.clock.advance(2_000);
    expect(hook.received.map(({ json }) => json)).toMatchObject([
      { job_id: soon },
      { job_id: late },
    ]);
  });

  test('copies and sequence: sends identical callbacks, or one per status', async () => {
    const test = await bench();
    const twice = await receiver();
    await submit(test.client, body(twice.url, { webhook: { copies: 2 } }));
    const [a, b] = await twice.count(2);
    expect(a?.body).toBe(b?.body);

    const changing = await receiver();
    const webhook = { sequence: ['Failed', 'Completed'] };
    await submit(test.client, body(changing.url, { webhook }));
    const both = await changing.count(2);
    expect(both.map(({ json }) => json)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ status: 'Failed' }),
        expect.objectContaining({ status: 'Completed' }),
      ]),
    );
  });

  test.each([
    [{ jobId: 'somebody-else' }, { job_id: 'somebody-else' }],
    [{ status: 'Cancelled' }, { status: 'Cancelled' }],
    [{ status: 'Exploded' }, { status: 'Exploded' }],
    [{ metadata: 'null' }, { metadata: null }],
    [{ metadata: 'empty' }, { metadata: {} }],
    [{ metadata: 'wrong' }, { metadata: { token: 'v1.not-a-valid-token' } }],
    [{ metadataValue: [1, 'two'] }, { metadata: [1, 'two'] }],
    [{ extra: { result: { a: 1 } } }, { result: { a: 1 }, metadata }],
  ])('sends the callback that %j describes', async (webhook, expected) => {
    const test = await bench();
    expect(await callbackOf(test, await receiver(), webhook)).toMatchObject(expected);
  });

  test('sends no metadata, or 1 MB of it', async () => {
    const test = await bench();
    expect(await callbackOf(test, await receiver(), { metadata: 'absent' })).not.toHaveProperty(
      'metadata',
    );
    const huge = await callbackOf(test, await receiver(), { metadata: 'huge' });
    expect(JSON.stringify(huge).length).toBeGreaterThan(1_000_000);
  });

  test('reencode: sends the same JSON with other bytes', async () => {
    const test = await bench();
    const hook = await receiver();
    const id = await submit(test.client, body(hook.url, { webhook: { reencode: true } }));
    const [first] = await hook.count(1);
    expect(first?.json).toEqual({ status: 'Completed', job_id: id, metadata });
    expect(first?.body).not.toBe(JSON.stringify(first?.json));
  });

  test('sends a callback for a cancelled job only if cancelWebhook is set', async () => {
    const test = await bench({ speed: 0, platform: { cancelWebhook: true } });
    const hook = await receiver();
    const id = await submit(test.client, body(hook.url, { stuck: 'Pending' }));
    await test.client.job.cancel(id);
    const [first] = await hook.count(1);
    expect(first?.json).toMatchObject({ status: 'Cancelled', job_id: id });

    test.sandbox.platform.set({ cancelWebhook: false });
    const silent = await submit(test.client, body(hook.url, { stuck: 'Pending' }));
    await test.client.job.cancel(silent);
    await test.sandbox.clock.advance(60_000);
    expect(test.sandbox.jobs.find(silent)?.status).toBe('Cancelled');
    expect(hook.received).toHaveLength(1);
  });
});
