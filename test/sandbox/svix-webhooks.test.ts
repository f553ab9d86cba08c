import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { newSecret } from '../../src/sandbox/webhooks/svix-signature.js';
import { anyDocument, bench, Bench, Received, receiver, submit, submitAndEnd } from './support.js';

const secret = newSecret();
const metadata = { gateway_job_id: 'g-2' };

function body(sim: Record<string, unknown> = {}, channels?: string[]): Record<string, unknown> {
  const webhook = { mode: 'svix', ...(channels && { channels }) };
  return { ...anyDocument, sim, async: { metadata, webhook } };
}

interface SvixBench extends Bench {
  received: Received[];
  count(expected: number): Promise<Received[]>;
}

async function svixBench(
  platform: Record<string, unknown> = {},
  ...answers: Parameters<typeof receiver>
): Promise<SvixBench> {
  const hook = await receiver(...answers);
  const svix = { svixUrl: hook.url, svixSecrets: [secret] };
  const test = await bench({ speed: 0, platform: { ...svix, ...platform } });
  return { ...test, received: hook.received, count: (expected) => hook.count(expected) };
}

/** Throws if the signature is not valid. */
function verify(received: Received | undefined, key = secret): unknown {
  return new Webhook(key).verify(received?.body ?? '', {
    'webhook-id': header(received, 'id'),
    'webhook-timestamp': header(received, 'timestamp'),
    'webhook-signature': header(received, 'signature'),
  });
}

/** The header with either prefix; empty if it was not sent. */
function header(received: Received | undefined, part: 'id' | 'timestamp' | 'signature'): string {
  const value = received?.headers[`svix-${part}`] ?? received?.headers[`webhook-${part}`];
  return typeof value === 'string' ? value : '';
}

test('sends the same flat body with a signature', async () => {
  const test = await svixBench();
  const id = await submit(test.client, body());
  const [first] = await test.count(1);
  expect(verify(first)).toEqual({ status: 'Completed', job_id: id, metadata });
  expect(first?.headers['svix-id']).toMatch(/^msg_[A-Za-z0-9]{27}$/u);
});

test.each([
  ['parse', { async: { metadata, webhook: { mode: 'svix' } } }],
  ['classify_async', { classification_schema: [], async: { metadata, webhook: { mode: 'svix' } } }],
  [
    'edit_async',
    {
      document_url: anyDocument.input,
      edit_instructions: 'Sign it',
      webhook: { mode: 'svix', metadata },
    },
  ],
])('sends the same flat body for a job of /%s', async (path, given) => {
  const test = await svixBench();
  const { job_id } = await test.client.post<unknown, { job_id: string }>(`/${path}`, {
    body: { ...anyDocument, ...given },
  });
  const [first] = await test.count(1);
  expect(verify(first)).toEqual({ status: 'Completed', job_id, metadata });
});

test('sends webhook-* headers for a white-label account', async () => {
  const test = await svixBench({ svixHeaderPrefix: 'webhook' });
  await submit(test.client, body());
  const [first] = await test.count(1);
  expect(first?.headers['svix-id']).toBeUndefined();
  expect(first?.headers['webhook-id']).toBeDefined();
  expect(() => verify(first)).not.toThrow();
});

test('signs with both secrets during a rotation', async () => {
  const next = newSecret();
  const test = await svixBench({ svixSecrets: [next, secret] });
  await submit(test.client, body());
  const [first] = await test.count(1);
  expect(header(first, 'signature').split(' ')).toHaveLength(2);
  expect(() => verify(first, secret)).not.toThrow();
  expect(() => verify(first, next)).not.toThrow();
  expect(() => verify(first, newSecret())).toThrow('No matching signature');
});

test('makes eight attempts on the documented schedule, with one id and new signatures', async () => {
  const test = await svixBench({}, { status: 500 });
  const id = await submit(test.client, body());
  await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
  await test.sandbox.clock.advance(30 * 3_600_000);
  const tries = test.sandbox.deliveries.ofJob(id);
  const minutes = tries.map(
    ({ sentAt }) => Math.round((sentAt - (tries[0]?.sentAt ?? 0)) / 1_000) / 60,
  );
  expect(minutes.map((minute) => Math.round(minute * 10) / 10)).toEqual([
    0, 0.1, 5.1, 35.1, 155.1, 455.1, 1055.1, 1655.1,
  ]);
  expect(new Set(test.received.map(({ headers }) => headers['svix-id'])).size).toBe(1);
  for (const received of test.received) expect(() => verify(received)).not.toThrow();
});

test('signs a retry with its own timestamp', async () => {
  const test = await svixBench({}, { status: 500 }, { status: 200 });
  const id = await submit(test.client, body());
  await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
  test.sandbox.platform.set({ clockSkewMs: 2_000 });
  await test.sandbox.clock.advance(5_000);
  const [first, second] = test.received;
  expect(second?.headers['svix-id']).toBe(first?.headers['svix-id']);
  expect(second?.headers['svix-timestamp']).not.toBe(first?.headers['svix-timestamp']);
  expect(second?.headers['svix-signature']).not.toBe(first?.headers['svix-signature']);
  expect(test.sandbox.deliveries.ofJob(id)).toHaveLength(2);
});

test('delays a retry by Retry-After up to twice the scheduled delay, and by a minute after a 429', async () => {
  const slow = { status: 503, headers: { 'retry-after': '3600' } };
  const test = await svixBench({}, slow, { status: 429 }, { status: 200 });
  const id = await submit(test.client, body());
  await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
  await test.sandbox.clock.advance(10_000);
  expect(test.received).toHaveLength(2);
  await test.sandbox.clock.advance(300_000);
  expect(test.sandbox.deliveries.ofJob(id).map(({ status }) => status)).toEqual([503, 429, 200]);
});

describe('delivery control', () => {
  test('abort-message stops the retries of this message', async () => {
    const abort = { status: 500, headers: { 'webhook-delivery': 'abort-message' } };
    const test = await svixBench({}, abort, { status: 200 });
    const id = await submit(test.client, body());
    await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
    await test.sandbox.clock.advance(30 * 3_600_000);
    expect(test.sandbox.deliveries.ofJob(id)).toHaveLength(1);
    await submit(test.client, body());
    await test.count(2);
  });

  test('disable disables the endpoint', async () => {
    const test = await svixBench({}, { headers: { 'webhook-delivery': 'disable' } });
    await submit(test.client, body());
    await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
    expect(test.sandbox.platform.current.svixEnabled).toBe(false);
    const lost = await submit(test.client, body());
    const entry = await test.sandbox.deliveries.waitFor(({ jobId }) => jobId === lost);
    expect(entry).toMatchObject({ attempt: 0, error: expect.stringContaining('disabled') });
    expect(test.received).toHaveLength(1);
  });

  test('five days of failures disable the endpoint', async () => {
    const test = await svixBench({}, { status: 500 });
    await submit(test.client, body());
    await test.sandbox.deliveries.waitFor(({ attempt }) => attempt === 1);
    await test.sandbox.clock.advance(5 * 24 * 3_600_000);
    expect(test.sandbox.platform.current.svixEnabled).toBe(true);
    const last = await submit(test.client, body());
    await test.sandbox.deliveries.waitFor(({ jobId }) => jobId === last);
    expect(test.sandbox.platform.current.svixEnabled).toBe(false);
  });
});

describe('channels', () => {
  test.each([
    [[], undefined, true],
    [[], ['a'], true],
    [['a', 'b'], ['b'], true],
    [['a'], ['b'], false],
    [['a'], undefined, false],
  ])(
    'an endpoint with channels %j receives a message with channels %j: %s',
    async (svixChannels, channels, arrives) => {
      const test = await svixBench({ svixChannels });
      const id = await submit(test.client, body({}, channels));
      const { attempt } = await test.sandbox.deliveries.waitFor(({ jobId }) => jobId === id);
      expect(attempt).toBe(arrives ? 1 : 0);
      expect(test.received).toHaveLength(arrives ? 1 : 0);
    },
  );
});

describe('forged signatures and wrong timestamps', () => {
  test.each([
    ['bad', 'No matching signature'],
    ['otherSecret', 'No matching signature'],
    ['stale', 'too old'],
    ['future', 'too new'],
    ['none', 'Missing required headers'],
  ])('a signature of kind %s is not valid', async (signature, message) => {
    const test = await svixBench();
    await submit(test.client, body({ webhook: { signature } }));
    const [first] = await test.count(1);
    expect(() => verify(first)).toThrow(message);
  });

  test('the signature of a re-encoded body is not valid', async () => {
    const test = await svixBench();
    await submit(test.client, body({ webhook: { reencode: true } }));
    const [first] = await test.count(1);
    expect(() => verify(first)).toThrow('No matching signature');
  });

  test('a skew of six minutes exceeds the tolerance, four minutes do not', async () => {
    const test = await svixBench({ clockSkewMs: 360_000 });
    await submit(test.client, body());
    const [first] = await test.count(1);
    expect(() => verify(first)).toThrow('too new');
    test.sandbox.platform.set({ clockSkewMs: -240_000 });
    await submit(test.client, body());
    const [, second] = await test.count(2);
    expect(() => verify(second)).not.toThrow();
  });
});

test('a resend has the same id', async () => {
  const test = await svixBench();
  const id = await submitAndEnd(test, body());
  await test.count(1);
  const job = test.sandbox.jobs.find(id);
  if (job) await test.sandbox.webhooks.sendNow(job);
  const [first, second] = await test.count(2);
  expect(second?.headers['svix-id']).toBe(first?.headers['svix-id']);
});
