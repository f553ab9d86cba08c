import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AddressResolver } from '../../src/deliveries/sending/address-resolver.js';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';

/* A repeat joins the job of its first request, although the gateway would refuse the request by now. */

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());
afterEach(() => vi.restoreAllMocks());

let made = 0;
/** A request that equals no other one. */
const newBody = (): Record<string, unknown> => ({ input: `https://example.com/${made++}.pdf` });

interface Sent {
  readonly retries?: number;
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

function submit(body: unknown, sent: Sent = {}): Promise<Answer> {
  const { retries = 0, key = gateway.key, headers } = sent;
  return send(`${gateway.url}/reducto/parse_async`, 'POST', body, {
    authorization: `Bearer ${key}`,
    'x-stainless-retry-count': String(retries),
    ...headers,
  });
}

async function jobOf(body: unknown, sent: Sent = {}): Promise<string> {
  const answer = await submit(body, sent);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body.job_id;
}

/** Something that makes the gateway refuse a request that it would have accepted before. */
interface Change {
  /** The request before the change. */
  readonly body: () => Promise<object>;
  readonly change: (body: { readonly input?: string }) => Promise<unknown>;
}

const CHANGES: Record<string, Change> = {
  'whose upload was deleted': {
    body: async () => ({ input: await uploaded() }),
    change: async ({ input }) => {
      const path = `/reducto/upload/${input}`;
      expect(await gateway.call('DELETE', path)).toMatchObject({ status: 200 });
    },
  },
  'whose upload has expired': {
    body: async () => ({ input: await uploaded() }),
    change: ({ input }) => gateway.pool.query('DELETE FROM uploads WHERE id = $1', [input]),
  },
  'whose input job was deleted': {
    body: async () => {
      const id = await gateway.submit();
      await gateway.ended(id);
      return { input: `jobid://${id}` };
    },
    change: async ({ input = '' }) => {
      const path = `/reducto/job/${input.slice('jobid://'.length)}`;
      expect(await gateway.call('DELETE', path)).toMatchObject({ status: 202 });
    },
  },
  'whose input job was cancelled': {
    body: async () => ({ input: `jobid://${await gateway.submit({ sim: { runMs: 60_000 } })}` }),
    change: async ({ input = '' }) => {
      const id = input.slice('jobid://'.length);
      await gateway.call('POST', `/reducto/cancel/${id}`);
      await gateway.ended(id);
    },
  },
  'whose webhook has a forbidden address now': {
    body: async () => {
      resolveTo('127.0.0.1');
      const webhook = { mode: 'direct', url: `http://hook-${made++}.test:9/` };
      return { ...newBody(), async: { webhook } };
    },
    change: async () => resolveTo('10.0.0.1'),
  },
};

/** How a client repeats a request. */
const REPEATS: Record<string, (retries: number, key: string) => Sent> = {
  'a retry': (retries) => ({ retries }),
  'a repeat by an idempotency key': (_, key) => ({ headers: { 'idempotency-key': key } }),
};

describe.each(Object.entries(REPEATS))('%s', (_, repeat) => {
  it.each(Object.entries(CHANGES))('%s joins its job', async (name, { body, change }) => {
    const request = await body();
    const key = name.replaceAll(' ', '-');
    const first = await jobOf(request, repeat(0, key));
    await change(request);
    expect(await submit(request)).toMatchObject({ status: 422 });
    expect(await jobOf(request, repeat(1, key))).toBe(first);
  });

  it('joins its job that has ended', async () => {
    const body = newBody();
    const first = await jobOf(body, repeat(0, 'ended'));
    await gateway.ended(first);
    expect(await jobOf(body, repeat(1, 'ended'))).toBe(first);
  });

  it('that is refused joins a job that was accepted meanwhile', async () => {
    const resolver = gateway.app.get(AddressResolver, { strict: false });
    const refusal = Promise.withResolvers<{ address: string; family: number }[]>();
    const resolve = vi.spyOn(resolver, 'resolve').mockImplementationOnce(() => refusal.promise);
    const webhook = { mode: 'direct', url: `http://hook-${made++}.test:9/` };
    const body = { ...newBody(), async: { webhook } };
    const repeated = jobOf(body, repeat(1, 'meanwhile'));
    await eventually('the check of the repeat', () => resolve.mock.calls[0]);
    resolveTo('127.0.0.1');
    const first = await jobOf(body, repeat(0, 'meanwhile'));
    refusal.resolve([{ address: '10.0.0.1', family: 4 }]);
    expect(await repeated).toBe(first);
  });
});

it('joins a job of the gateway’s API by its idempotency key, though its upload was deleted', async () => {
  const input = await uploaded();
  const submitJob = (): Promise<Answer> =>
    gateway.call('POST', '/v1/jobs', { type: 'parse', input }, { 'idempotency-key': 'upload' });
  const first = await submitJob();
  await gateway.call('DELETE', `/reducto/upload/${input}`);
  expect(await submitJob()).toMatchObject({ status: 202, body: { id: first.body.id } });
});

it('refuses an idempotency key of another body', async () => {
  const headers = { 'idempotency-key': 'body' };
  await jobOf(newBody(), { headers });
  expect(await submit(newBody(), { headers })).toMatchObject({ status: 422 });
});

it('makes no endpoint for the webhook of a request that is refused for another reason', async () => {
  resolveTo('127.0.0.1');
  const key = await gateway.newKey('refused');
  const webhook = { mode: 'direct', url: 'http://hook.test:9/' };
  const refused = await submit({ input: 'reducto://unknown.pdf', async: { webhook } }, { key });
  expect(refused).toMatchObject({ status: 422 });
  const { rows } = await gateway.pool.query(`SELECT FROM endpoints WHERE service = 'refused'`);
  expect(rows).toEqual([]);
});

async function uploaded(): Promise<string> {
  const form = new FormData();
  form.append('file', new Blob(['%PDF-1.4']), 'a.pdf');
  const { body } = await gateway.call('POST', '/reducto/upload', form);
  return body.file_id;
}

/** What the DNS answers from now on. */
function resolveTo(address: string): void {
  const resolver = gateway.app.get(AddressResolver, { strict: false });
  vi.spyOn(resolver, 'resolve').mockResolvedValue([{ address, family: 4 }]);
}
