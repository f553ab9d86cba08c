import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { describe, expect, test } from 'vitest';
import type { SendRequest } from '../../src/deliveries/sending/event-sender.js';
import {
  answered,
  BODY,
  codeOf,
  receiverWith,
  SECRET,
  send,
  senderWith,
} from '../support/event-sender.js';
import { answer, type ReceivedRequest } from '../support/receiver.js';

const OLD = `whsec_${randomBytes(24).toString('base64')}`;

async function received(given: Partial<SendRequest> = {}): Promise<ReceivedRequest> {
  const receiver = await receiverWith();
  expect(answered(await send(receiver.url, given)).status).toBe(204);
  const [request] = receiver.requests;
  if (request === undefined) throw new Error('no request arrived');
  return request;
}

describe('a request', () => {
  test('is a POST of the JSON body as it is', async () => {
    const { line, headers, body } = await received();
    expect(line).toBe('POST /hook HTTP/1.1');
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(BODY.length),
      'user-agent': 'reducto-gateway',
    });
    expect(body).toEqual(BODY);
  });

  test('asks for no content coding', async () => {
    expect((await received()).headers['accept-encoding']).toBeUndefined();
  });

  test('has the query of the URL, and not its fragment', async () => {
    const receiver = await receiverWith();
    await send(`${receiver.url}?tenant=a%20b#part`);
    expect(receiver.requests[0]?.line).toBe('POST /hook?tenant=a%20b HTTP/1.1');
  });

  test('has the headers of the endpoint', async () => {
    const { headers } = await received({ headers: { Authorization: 'Bearer t', 'X-Tenant': 'a' } });
    expect(headers).toMatchObject({ authorization: 'Bearer t', 'x-tenant': 'a' });
  });

  test('has one header where the endpoint sets one of the gateway', async () => {
    const { headers } = await received({ headers: { 'User-Agent': 'mine', ACCEPT: 'text/plain' } });
    expect(headers).toMatchObject({ 'user-agent': 'mine', accept: 'text/plain' });
  });

  test.each<[string, Record<string, string>]>([
    ['a line break', { 'x-a': 'b\r\nx-injected: c' }],
    ['a lone line feed', { 'x-a': 'b\nx-injected: c' }],
    ['NUL', { 'x-a': 'b\u0000c' }],
    ['text outside of ASCII', { 'x-a': 'bücher' }],
    ['an invalid name', { 'x a': 'b' }],
    ['a colon in its name', { 'x-a: b\r\nx-injected': 'c' }],
    ['another Host', { Host: 'elsewhere.example' }],
    ['another length', { 'Content-Length': '1' }],
    ['a transfer coding', { 'transfer-encoding': 'chunked' }],
    ['a signature of its own', { 'webhook-signature': 'v1,forged' }],
  ])('is not sent with a header that has %s', async (_case, headers) => {
    const receiver = await receiverWith();
    const outcome = await send(receiver.url, { headers });
    expect(codeOf(outcome)).toBe('invalid_request');
    expect(receiver.connections()).toBe(0);
  });

  test('reuses connections', async () => {
    const receiver = await receiverWith();
    const sender = senderWith();
    for (let count = 0; count < 20; count++) await send(receiver.url, {}, sender);
    expect(receiver.requests).toHaveLength(20);
    // The second request may come before the first connection is free again.
    expect(receiver.connections()).toBeLessThanOrEqual(2);
  });
});

describe('signatures', () => {
  const headersOf = ({ headers }: ReceivedRequest) => ({ ...headers });

  test('standardwebhooks verifies them', async () => {
    const request = await received();
    const verified = new StandardWebhook(SECRET).verify(
      request.body.toString(),
      headersOf(request),
    );
    expect(verified).toEqual(JSON.parse(BODY.toString()));
  });

  test('svix verifies them from webhook-* headers', async () => {
    const request = await received();
    expect(() =>
      new SvixWebhook(SECRET).verify(request.body.toString(), headersOf(request)),
    ).not.toThrow();
  });

  test('svix verifies them from svix-* headers alone', async () => {
    const request = await received({ sendSvixHeaders: true });
    const svix = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => name.startsWith('svix-')),
    );
    expect(Object.keys(svix)).toHaveLength(3);
    expect(() => new SvixWebhook(SECRET).verify(request.body.toString(), svix)).not.toThrow();
  });

  test('svix-* headers are sent only where they are asked for', async () => {
    const names = Object.keys((await received()).headers);
    expect(names.filter((name) => name.startsWith('svix-'))).toEqual([]);
  });

  test.each([OLD, SECRET])('each secret of a rotation verifies (%#)', async (secret) => {
    const request = await received({ secrets: [SECRET, OLD], sendSvixHeaders: true });
    const body = request.body.toString();
    expect(() => new StandardWebhook(secret).verify(body, headersOf(request))).not.toThrow();
    expect(() => new SvixWebhook(secret).verify(body, headersOf(request))).not.toThrow();
  });

  test('another secret does not verify', async () => {
    const request = await received({ secrets: [SECRET, OLD] });
    const other = new StandardWebhook(`whsec_${randomBytes(32).toString('base64')}`);
    expect(() => other.verify(request.body.toString(), headersOf(request))).toThrow(/No matching/);
  });

  test('a changed body does not verify', async () => {
    const request = await received();
    const changed = request.body.toString().replace('completed', 'cancelled');
    expect(() => new StandardWebhook(SECRET).verify(changed, headersOf(request))).toThrow(
      /No matching/,
    );
  });

  test.each(['webhook-id', 'webhook-timestamp'])('a changed %s does not verify', async (name) => {
    const request = await received();
    const timestamp = Number(request.headers['webhook-timestamp']);
    const headers = {
      ...headersOf(request),
      [name]: name === 'webhook-id' ? 'evt_2' : String(timestamp + 1),
    };
    expect(() => new StandardWebhook(SECRET).verify(request.body.toString(), headers)).toThrow(
      /No matching/,
    );
  });

  test('an old attempt does not verify', async () => {
    const request = await received({ timestamp: new Date(Date.now() - 6 * 60_000) });
    expect(() =>
      new StandardWebhook(SECRET).verify(request.body.toString(), headersOf(request)),
    ).toThrow(/too old/);
  });
});

describe('an answer', () => {
  test.each([200, 201, 204, 299, 301, 302, 307, 308, 400, 404, 410, 429, 500, 503])(
    'with status %i is an outcome',
    async (status) => {
      const receiver = await receiverWith((socket) => void socket.write(answer(`${status} X`)));
      expect(answered(await send(receiver.url)).status).toBe(status);
    },
  );

  test.each([301, 302, 303, 307, 308])('with status %i is not followed', async (status) => {
    const target = await receiverWith();
    const receiver = await receiverWith(
      (socket) => void socket.write(answer(`${status} X`, '', { location: target.url })),
    );
    expect(answered(await send(receiver.url)).headers['location']).toContain(`:${target.port}/`);
    expect(target.connections()).toBe(0);
  });

  test.each([
    ['120', 120],
    ['0.5', 0.5],
    ['0', undefined],
    ['-1', undefined],
    ['soon', undefined],
    ['9'.repeat(400), Infinity],
    ['Thu, 01 Jan 2015 00:00:00 GMT', undefined],
  ])('with Retry-After: %s says when to retry', async (header, seconds) => {
    const receiver = await receiverWith(
      (socket) => void socket.write(answer('503 X', '', { 'retry-after': header })),
    );
    expect(answered(await send(receiver.url)).retryAfterSeconds).toBe(seconds);
  });

  test('with a date in Retry-After says when to retry', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const receiver = await receiverWith(
      (socket) => void socket.write(answer('429 X', '', { 'retry-after': date })),
    );
    const { retryAfterSeconds = 0 } = answered(await send(receiver.url));
    expect(Math.abs(retryAfterSeconds - 3600)).toBeLessThan(30);
  });

  test('is shown with its headers and the beginning of its body', async () => {
    const receiver = await receiverWith(
      (socket) => void socket.write(answer('500 X', 'a stack trace', { 'x-request-id': 'r-1' })),
    );
    expect(answered(await send(receiver.url))).toMatchObject({
      headers: { 'x-request-id': 'r-1', 'content-length': '13' },
      body: 'a stack trace',
    });
  });

  test('is shown without secrets, nor those of the request', async () => {
    const headers = { authorization: 'Bearer planted-1', 'x-key': 'planted-2' };
    const receiver = await receiverWith((socket, request) => {
      const echo = JSON.stringify({ ...request.headers, plain: 'x planted-2 x', secret: SECRET });
      socket.write(answer('400 X', echo, { 'set-cookie': 'planted-3', 'x-echo': 'planted-2' }));
    });
    const outcome = answered(await send(receiver.url, { headers }));
    expect(JSON.stringify(outcome)).not.toMatch(/planted|whsec_[A-Za-z0-9]/);
  });

  test('is shown without characters that PostgreSQL cannot store', async () => {
    const body = Buffer.from([0x61, 0x00, 0x1b, 0xff, 0xed, 0xa0, 0x80, 0x62]);
    const receiver = await receiverWith((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.write(body);
    });
    const shown = answered(await send(receiver.url)).body;
    expect(shown).not.toContain('\u0000');
    expect(shown.isWellFormed()).toBe(true);
  });

  test('is read up to 16 KB, and then its connection is dropped', async () => {
    let sent = 0;
    let socketOfReceiver: Socket | undefined;
    const receiver = await receiverWith((socket) => {
      socketOfReceiver = socket;
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      const write = (): void => {
        while (!socket.destroyed && sent < 64_000_000) {
          sent += chunk.length;
          if (!socket.write(chunk)) return;
        }
      };
      socket.on('drain', write);
      write();
    });
    const outcome = answered(await send(receiver.url));
    expect(outcome.status).toBe(200);
    expect(outcome.body.length).toBeLessThan(2000);
    await new Promise((resolve) =>
      socketOfReceiver?.destroyed ? resolve(undefined) : socketOfReceiver?.once('close', resolve),
    );
    expect(sent).toBeLessThan(16_000_000);
  });

  test('that is compressed is not decoded', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const receiver = await receiverWith((socket) => {
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`,
      );
      socket.write(bomb);
    });
    const outcome = answered(await send(receiver.url));
    expect(outcome).toMatchObject({ status: 200, body: expect.stringMatching(/^\[encoded, /) });
  });

  test('after informational answers counts', async () => {
    const receiver = await receiverWith(
      (socket) => void socket.write(`HTTP/1.1 103 Early Hints\r\n\r\n${answer('200 OK', 'x')}`),
    );
    expect(answered(await send(receiver.url)).status).toBe(200);
  });
});
