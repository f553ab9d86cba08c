import 'reflect-metadata';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiKeyStatus } from '../../src/reducto/api-key-status.js';
import { ReductoClient } from '../../src/reducto/reducto.client.js';
import { UpstreamRequests } from '../../src/reducto/upstream-requests.js';
import { Transport } from '../../src/reducto/transport.js';
import { UpstreamListing } from '../../src/reducto/upstream-listing.js';
import type { UpstreamMetrics } from '../../src/reducto/upstream.metrics.js';
import type { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { Settings } from '../../src/platform/config/settings.js';

/* What comes over the wire from Reducto or from a proxy before it. */

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function clientOf(answer: RequestListener): Promise<ReductoClient> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const settings = Settings.load({
    REDUCTO_API_KEY: 'key',
    REDUCTO_BASE_URL: `http://127.0.0.1:${port}`,
    REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1',
    REDUCTO_READ_TIMEOUT_SECONDS: '1',
  });
  const transport = new Transport(settings);
  closers.push(async () => {
    await transport.onApplicationShutdown();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const limiter = {
    acquirePermit: async () => ({ granted: true }),
    reportOutcome: async () => {},
  };
  const rateLimiter = { polls: limiter, submits: limiter };
  const metrics = { measure: (_: string, ask: () => unknown) => ask() };
  const apiKey = new ApiKeyStatus();
  return new ReductoClient(
    settings,
    new UpstreamRequests(settings, transport, apiKey),
    rateLimiter as unknown as UpstreamRateLimiter,
    metrics as unknown as UpstreamMetrics,
    apiKey,
  );
}

const body = '{"input":"https://example.com/a.pdf"}';
const submitted = (client: ReductoClient) =>
  client.submitJob({ id: 'job', type: 'parse', service: 'invoices' }, body);
const JSON_TYPE = { 'content-type': 'application/json' };
/** 100 MB of whitespace around an answer. */
const LARGE = brotliCompressSync(
  Buffer.concat([Buffer.alloc(100_000_000, ' '), Buffer.from('{}')]),
  {
    params: { [constants.BROTLI_PARAM_QUALITY]: 1 },
  },
);
const MADE = JSON.stringify({ job_id: 'job_1' });

function sendCoded(response: ServerResponse, status: number, coding: string, bytes: Buffer): void {
  response.writeHead(status, { ...JSON_TYPE, 'content-encoding': coding }).end(bytes);
}

describe('an answer of Reducto', () => {
  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['GZIP, br', (text: string) => brotliCompressSync(gzipSync(text))],
    ['identity', (text: string) => Buffer.from(text)],
  ] as const)('is read where its coding is %s', async (coding, compress) => {
    const long = 'x'.repeat(300_000);
    const client = await clientOf((request, response) => {
      const answer = request.method === 'GET' ? { status: 'Completed', result: { long } } : null;
      const text = answer === null ? MADE : JSON.stringify(answer);
      sendCoded(response, 200, coding, compress(text));
    });
    expect(await submitted(client)).toEqual({ kind: 'accepted', upstreamId: 'job_1' });
    const result = Buffer.from(JSON.stringify({ long }));
    expect(await client.pollJob('job_1')).toMatchObject({ kind: 'completed', result });
  });

  it('reads a compressed error of Reducto', async () => {
    const client = await clientOf((_, response) =>
      sendCoded(response, 422, 'gzip', gzipSync(JSON.stringify({ detail: 'no such page' }))),
    );
    const error = { status: 422, message: 'no such page' };
    expect(await submitted(client)).toEqual({ kind: 'rejected', error });
  });

  it.each([
    [
      'is no gzip although it says so',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'gzip', Buffer.from(MADE)),
    ],
    [
      'is cut within gzip',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'gzip', gzipSync(MADE).subarray(0, 15)),
    ],
    [
      'is gzip without its trailer',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'gzip', gzipSync(MADE).subarray(0, -8)),
    ],
    [
      'goes on after the end of gzip',
      'unusable',
      (r: ServerResponse) =>
        sendCoded(r, 200, 'gzip', Buffer.concat([gzipSync(MADE), Buffer.from('more')])),
    ],
    [
      'is cut within brotli',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'br', brotliCompressSync(MADE).subarray(0, -2)),
    ],
    [
      'is cut within deflate',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'deflate', deflateSync(MADE).subarray(0, -4)),
    ],
    [
      'is a few kilobytes that unpack to more than an answer has',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'br', LARGE),
    ],
    [
      'has more codings than anybody applies',
      'unusable',
      (r: ServerResponse) => sendCoded(r, 200, 'gzip,'.repeat(50) + 'gzip', gzipSync(MADE)),
    ],
    [
      'is not UTF-8',
      'unusable',
      (r: ServerResponse) =>
        void r
          .writeHead(200, JSON_TYPE)
          .end(Buffer.from('{"job_id":"job_1","a":"\xff"}', 'latin1')),
    ],
    [
      'breaks off',
      'unavailable',
      (r: ServerResponse) => {
        r.writeHead(200, { ...JSON_TYPE, 'content-length': '500' });
        r.write(MADE, () => r.destroy());
      },
    ],
    [
      'begins and does not end',
      'unavailable',
      (r: ServerResponse) =>
        void r.writeHead(200, { ...JSON_TYPE, 'content-length': '500' }).write(MADE),
    ],
    ['does not begin', 'unavailable', () => {}],
    [
      'is not JSON',
      'unusable',
      (r: ServerResponse) => void r.writeHead(200, JSON_TYPE).end('{"job_id":'),
    ],
    [
      'is a page',
      'unavailable',
      (r: ServerResponse) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
    ],
    ['is empty', 'unusable', (r: ServerResponse) => void r.writeHead(204).end()],
  ])('leaves it unknown whether a job was made, where it %s', async (_, kind, send) => {
    const client = await clientOf((_request, response) => send(response));
    expect(await submitted(client)).toMatchObject({ kind: 'unknown' });
    expect(await client.pollJob('job_1')).toMatchObject({ kind });
  });

  it('does not follow a redirect with the API key', async () => {
    const paths: string[] = [];
    const client = await clientOf((request, response) => {
      paths.push(request.url ?? '');
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect(await submitted(client)).toMatchObject({ kind: 'deferred', error: { status: 307 } });
    expect(paths).toEqual(['/parse_async']);
  });

  it('obeys Retry-After in an answer with repeated headers', async () => {
    const client = await clientOf((_, response) => {
      response.writeHead(429, { ...JSON_TYPE, 'retry-after': '7', 'set-cookie': ['a=1', 'b=2'] });
      response.end('{"detail":"slow down"}');
    });
    expect(await submitted(client)).toMatchObject({ kind: 'deferred', retryAfterSeconds: 7 });
  });

  it('sends requests in JSON with the API key', async () => {
    let got: Record<string, unknown> = {};
    const client = await clientOf((request, response) => {
      const { method, url, headers } = request;
      got = { method, url, ...headers };
      response.writeHead(200, JSON_TYPE).end(MADE);
    });
    await submitted(client);
    expect(got).toMatchObject({
      method: 'POST',
      url: '/parse_async',
      authorization: 'Bearer key',
      'content-type': 'application/json',
      'accept-encoding': 'gzip, deflate, br',
      'content-length': String(body.length),
    });
  });
});

/** The statuses that Reducto documents, and how a submit, a synchronous call, and a poll read them. */
const STATUSES = [
  [400, 'rejected', 'rejected', 'unavailable'],
  [401, 'deferred', 'deferred', 'unavailable'],
  [402, 'deferred', 'deferred', 'unavailable'],
  [403, 'forbidden', 'forbidden', 'unavailable'],
  [404, 'rejected', 'rejected', 'not_found'],
  [407, 'deferred', 'deferred', 'unavailable'],
  [408, 'unknown', 'unknown', 'unavailable'],
  [409, 'rejected', 'rejected', 'unavailable'],
  [410, 'rejected', 'rejected', 'not_found'],
  [415, 'rejected', 'rejected', 'unavailable'],
  [422, 'rejected', 'rejected', 'unavailable'],
  [429, 'deferred', 'deferred', 'unavailable'],
  [442, 'rejected', 'rejected', 'unavailable'],
  [500, 'unknown', 'failed', 'unavailable'],
  [502, 'unknown', 'failed', 'unavailable'],
  [503, 'deferred', 'deferred', 'unavailable'],
  [504, 'unknown', 'failed', 'unavailable'],
] as const;

describe('a status of Reducto', () => {
  const send = (status: number, name = 'SOME_NAME'): Promise<ReductoClient> =>
    clientOf((_, response) => {
      response.writeHead(status, { ...JSON_TYPE, 'retry-after': '300' });
      response.end(JSON.stringify({ error: { code: status, name, message: 'No' }, detail: 'No' }));
    });

  it.each(STATUSES)('%i means %s to a submit', async (status, kind) => {
    const error = { status, name: 'SOME_NAME', message: 'No' };
    expect(await submitted(await send(status))).toMatchObject({ kind, error });
  });

  it.each(STATUSES)('%i has one meaning to a synchronous call', async (status, _, kind) => {
    const client = await send(status);
    const job = { id: 'job', type: 'classify', service: 'invoices' } as const;
    expect(await client.classify(job, body, new AbortController().signal)).toMatchObject({ kind });
  });

  it.each(STATUSES)('%i has one meaning to a poll', async (status, _submit, _call, kind) => {
    expect(await (await send(status)).pollJob('job_1')).toMatchObject({ kind });
  });

  it.each([429, 503])('%i carries Retry-After to submits and polls', async (status) => {
    const client = await send(status);
    expect(await submitted(client)).toMatchObject({ retryAfterSeconds: 300 });
    expect(await client.pollJob('job_1')).toMatchObject({ retryAfterSeconds: 300 });
  });

  it.each(['QUEUE_FULL', 'BATCH_QUEUE_FULL'])('503 %s defers a submit', async (name) => {
    expect(await submitted(await send(503, name))).toMatchObject({ kind: 'deferred' });
  });

  it('409 with JOB_DELETION_IN_PROGRESS means that the job is gone', async () => {
    const client = await send(409, 'JOB_DELETION_IN_PROGRESS');
    expect(await client.pollJob('job_1')).toMatchObject({ kind: 'not_found' });
  });
});

describe('an error page of a proxy', () => {
  const send = (status: number, type: string, text: string): Promise<ReductoClient> =>
    clientOf((_, response) => void response.writeHead(status, { 'content-type': type }).end(text));

  it.each([404, 405, 410, 501])('with status %i says nothing about a job', async (status) => {
    const client = await send(status, 'text/html', '<h1>Not here</h1>');
    expect(await client.pollJob('job_1')).toMatchObject({ kind: 'unavailable' });
    expect(await client.listJobs(null, false, 1)).toMatchObject({ kind: 'unavailable' });
    expect(await client.cancelJob('job_1')).toMatchObject({ kind: 'unavailable' });
  });

  it('is told from the same status of Reducto', async () => {
    const client = await send(404, 'application/json', '{"detail":"Not Found"}');
    expect(await client.pollJob('job_1')).toMatchObject({ kind: 'not_found' });
    expect(await client.listJobs(null, false, 1)).toEqual({ kind: 'unsupported' });
    expect(await client.cancelJob('job_1')).toMatchObject({ kind: 'refused' });
  });
});

describe('Retry-After', () => {
  const CAP_SECONDS = 300;
  const after = async (header: string): Promise<number | undefined> => {
    const client = await clientOf((_, response) => {
      response.writeHead(429, { ...JSON_TYPE, 'retry-after': header }).end('{"detail":"no"}');
    });
    const answer = await client.pollJob('job_1');
    return 'retryAfterSeconds' in answer ? answer.retryAfterSeconds : undefined;
  };

  it.each(['86400', new Date(Date.now() + 86_400_000).toUTCString()])(
    'is cut to the cap: %s',
    async (header) => {
      expect(await after(header)).toBe(CAP_SECONDS);
    },
  );

  it.each(['', '0', '-5', 'soon', new Date(Date.now() - 60_000).toUTCString()])(
    'is ignored where it names no time to come: %j',
    async (header) => {
      expect(await after(header)).toBeUndefined();
    },
  );
});

describe('a walk through the listing', () => {
  const LIMITS = { withConfigs: false, maxPages: 10, maxSeconds: 60 };

  /** A listing with these pages of job ids. */
  async function listing(...pages: (readonly string[])[]): Promise<UpstreamListing> {
    const client = await clientOf((request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://reducto');
      const page = Number(searchParams.get('cursor') ?? 0);
      const jobs = (pages[page] ?? []).map((id) => ({ job_id: id, status: 'Pending' }));
      const next = page + 1 < pages.length ? String(page + 1) : null;
      response.writeHead(200, JSON_TYPE).end(JSON.stringify({ jobs, next_cursor: next }));
    });
    return new UpstreamListing(client);
  }

  it('passes every job of every page, and is complete at the end', async () => {
    const seen: string[] = [];
    const walk = (await listing(['a', 'b'], ['c'], [])).walkListing(LIMITS, (jobs) => {
      seen.push(...jobs.map(({ upstreamId }) => String(upstreamId)));
      return false;
    });
    expect(await walk).toEqual({ end: 'complete', calls: 3 });
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('stops where the page was enough', async () => {
    const walk = (await listing(['a'], ['b'], ['c'])).walkListing(LIMITS, ([job]) => {
      return job?.upstreamId === 'b';
    });
    expect(await walk).toEqual({ end: 'stopped', calls: 2 });
  });

  it('is cut at the limit of pages', async () => {
    const limits = { ...LIMITS, maxPages: 2 };
    const walk = (await listing(['a'], ['b'], ['c'])).walkListing(limits, () => false);
    expect(await walk).toEqual({ end: 'cut', calls: 2 });
  });

  it('is cut at the limit of time', async () => {
    const limits = { ...LIMITS, maxSeconds: 0 };
    const walk = (await listing(['a'], ['b'])).walkListing(limits, () => false);
    expect(await walk).toEqual({ end: 'cut', calls: 1 });
  });

  it('is cut where a cursor repeats', async () => {
    const client = await clientOf((_, response) => {
      response.writeHead(200, JSON_TYPE).end('{"jobs":[],"next_cursor":"again"}');
    });
    const walk = new UpstreamListing(client).walkListing(LIMITS, () => false);
    expect(await walk).toEqual({ end: 'cut', calls: 2 });
  });

  it('ends as unavailable with Retry-After at a page that fails', async () => {
    const client = await clientOf((_, response) => {
      response.writeHead(503, { ...JSON_TYPE, 'retry-after': '7' }).end('{"detail":"busy"}');
    });
    const walk = new UpstreamListing(client).walkListing(LIMITS, () => false);
    expect(await walk).toEqual({ end: 'unavailable', calls: 1, retryAfterSeconds: 7 });
  });
});
