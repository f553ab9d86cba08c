import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { FeedRequests } from '../../src/deliveries/events/feed-requests.js';
import { JobCompletionNotifier } from '../../src/jobs/api/job-completion.notifier.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { head, openConnection, type RawConnection } from '../support/raw-connection.js';

/* Clients that close the connection before they have the answer. */

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());
afterEach(() => {
  vi.restoreAllMocks();
  gateway.logs.length = 0;
});

let made = 0;
const openJob = (): Record<string, unknown> => ({
  input: `https://example.com/${made++}.pdf`,
  sim: { runMs: 60_000 },
});

async function sendHead(line: string, headers: Record<string, string | number> = {}) {
  const authorization = `Bearer ${gateway.key}`;
  return openConnection(gateway.url, head(line, { authorization, ...headers }));
}

/** Waits until the gateway has read the headers and asks for the body. */
async function invited(sent: RawConnection): Promise<void> {
  await eventually('the gateway asks for the body', () =>
    sent.received().startsWith('HTTP/1.1 100') ? true : undefined,
  );
}

async function leave({ socket }: RawConnection): Promise<void> {
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

async function stateOf(wait: Promise<unknown>): Promise<string> {
  return Promise.race([wait.then(() => 'ended'), new Promise(setImmediate).then(() => 'waiting')]);
}

const failures = (): string[] => gateway.logs.filter((line) => line.includes('request failed'));

describe.each(['in one packet with its headers', 'after its headers'])(
  'a synchronous call whose body arrives %s',
  (arrival) => {
    async function call(job: object): Promise<RawConnection> {
      const text = JSON.stringify(job);
      const line = 'POST /reducto/parse';
      const headers = { 'content-type': 'application/json', 'content-length': text.length };
      if (arrival.startsWith('in')) {
        const authorization = `Bearer ${gateway.key}`;
        return openConnection(gateway.url, head(line, { authorization, ...headers }) + text);
      }
      const call = await sendHead(line, { ...headers, expect: '100-continue' });
      await invited(call);
      call.socket.write(text);
      return call;
    }

    it('waits while its client is there, and no longer', async () => {
      const notifier = gateway.app.get(JobCompletionNotifier, { strict: false });
      const waits = vi.spyOn(notifier, 'waitForEnd');
      const sent = await call(openJob());
      const { value: wait } = await eventually('the call waits', () => waits.mock.results[0]);
      await gateway.call('GET', '/v1/jobs?limit=1');
      expect(await stateOf(wait)).toBe('waiting');
      await leave(sent);
      await wait;
      expect(failures()).toEqual([]);
    });
  },
);

it('GET /v1/jobs/{id} waits no longer than its client', async () => {
  const id = await gateway.submit(openJob());
  const notifier = gateway.app.get(JobCompletionNotifier, { strict: false });
  const waits = vi.spyOn(notifier, 'waitForEnd');
  const sent = await sendHead(`GET /v1/jobs/${id}?wait=60`);
  const { value: wait } = await eventually('the request waits', () => waits.mock.results[0]);
  await leave(sent);
  expect(await wait).toBeUndefined();
});

it('GET /v1/events waits no longer than its client', async () => {
  const feed = gateway.app.get(FeedRequests, { strict: false });
  const waits = vi.spyOn(feed, 'readUntilEvent');
  const key = await gateway.newKey('silent');
  const sent = await sendHead('GET /v1/events?after=0&wait=60', { authorization: `Bearer ${key}` });
  const { value: wait } = await eventually('the request waits', () => waits.mock.results[0]);
  await leave(sent);
  expect(await wait).toMatchObject({ events: [] });
});

it.each(['GET /reducto/job/{id}', 'GET /v1/jobs/{id}/result', 'POST /reducto/parse'])(
  'logs no error if the client of %s leaves before its result is sent',
  async (route) => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const jobs = gateway.app.get(JobsService, { strict: false });
    const read = jobs.resultOf.bind(jobs);
    const left = Promise.withResolvers<void>();
    const reads = vi.spyOn(jobs, 'resultOf').mockImplementationOnce(async (job) => {
      await left.promise;
      return read(job);
    });
    const text = route.startsWith('POST')
      ? JSON.stringify({ input: 'https://example.com/a.pdf' })
      : '';
    const sent = await sendHead(route.replace('{id}', id), {
      'content-type': 'application/json',
      'content-length': text.length,
    });
    sent.socket.write(text);
    await eventually('the gateway reads the result', () => reads.mock.results[0]);
    await leave(sent);
    await gateway.call('GET', '/v1/jobs?limit=1');
    left.resolve();
    await gateway.call('GET', '/v1/jobs?limit=1');
    await gateway.call('GET', '/v1/jobs?limit=1');
    expect(failures()).toEqual([]);
  },
);

it.each(['/reducto/upload', '/v1/uploads', '/reducto/parse', '/v1/jobs'])(
  'logs no error if the client of POST %s leaves within its body',
  async (path) => {
    const isUpload = path.includes('upload');
    const sent = await sendHead(`POST ${path}`, {
      'content-type': isUpload ? 'multipart/form-data; boundary=x' : 'application/json',
      'content-length': 1000,
      expect: '100-continue',
    });
    await invited(sent);
    sent.socket.write(
      isUpload
        ? '--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.4'
        : '{"input":',
    );
    await leave(sent);
    await gateway.call('GET', '/v1/jobs?limit=1');
    expect(failures()).toEqual([]);
  },
);
