import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Socket } from 'node:net';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterEach, describe, expect, test } from 'vitest';
import { AddressPolicy } from '../../src/deliveries/sending/address-policy.js';
import {
  EventSender,
  type Answered,
  type SendOutcome,
  type SendRequest,
} from '../../src/deliveries/sending/event-sender.js';
import { freePort } from '../../src/dev/free-port.js';
import { Settings } from '../../src/platform/config/settings.js';
import { FakeResolver } from '../support/fake-resolver.js';
import {
  accept,
  answer,
  startReceiver,
  type Receive,
  type ReceivedRequest,
  type Receiver,
  type ReceiverOptions,
} from '../support/receiver.js';
import { selfSigned, withoutOpenssl } from '../support/tls-certificate.js';

const NEW = `whsec_${randomBytes(32).toString('base64')}`;
const OLD = `whsec_${randomBytes(24).toString('base64')}`;
const BODY = Buffer.from('{"type":"job.completed","data":{"id":"job ä €"}}');

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUps.splice(0).toReversed()) await undo();
});

const resolver = new FakeResolver();

function senderWith(environment: Record<string, string> = {}): EventSender {
  const settings = Settings.load({ DELIVERY_TIMEOUT_SECONDS: '5', ...environment });
  const sender = new EventSender(settings, new AddressPolicy(settings, resolver));
  cleanUps.push(() => sender.onApplicationShutdown());
  return sender;
}

async function receiverWith(receive?: Receive, options?: ReceiverOptions): Promise<Receiver> {
  const receiver = await startReceiver(receive, options);
  cleanUps.push(() => receiver.close());
  return receiver;
}

function requestTo(url: string, given: Partial<SendRequest> = {}): SendRequest {
  return {
    url,
    id: 'evt_1',
    body: BODY,
    secrets: [NEW],
    headers: {},
    sendSvixHeaders: false,
    timestamp: new Date(),
    ...given,
  };
}

const send = (url: string, given?: Partial<SendRequest>, sender = senderWith()) =>
  sender.send(requestTo(url, given));

function answered(outcome: SendOutcome): Answered {
  if ('error' in outcome) throw new Error(`not answered: ${outcome.error.code}`);
  return outcome;
}

const codeOf = (outcome: SendOutcome): string =>
  'error' in outcome ? outcome.error.code : String(outcome.status);

/** The code of an attempt to a receiver that does this. */
async function codeAfter(receive: Receive, options?: ReceiverOptions): Promise<string> {
  const receiver = await receiverWith(receive, options);
  return codeOf(await send(receiver.url, {}, senderWith({ DELIVERY_TIMEOUT_SECONDS: '1' })));
}

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
    const verified = new StandardWebhook(NEW).verify(request.body.toString(), headersOf(request));
    expect(verified).toEqual(JSON.parse(BODY.toString()));
  });

  test('svix verifies them from webhook-* headers', async () => {
    const request = await received();
    expect(() =>
      new SvixWebhook(NEW).verify(request.body.toString(), headersOf(request)),
    ).not.toThrow();
  });

  test('svix verifies them from svix-* headers alone', async () => {
    const request = await received({ sendSvixHeaders: true });
    const svix = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => name.startsWith('svix-')),
    );
    expect(Object.keys(svix)).toHaveLength(3);
    expect(() => new SvixWebhook(NEW).verify(request.body.toString(), svix)).not.toThrow();
  });

  test('svix-* headers are sent only where they are asked for', async () => {
    const names = Object.keys((await received()).headers);
    expect(names.filter((name) => name.startsWith('svix-'))).toEqual([]);
  });

  test.each([OLD, NEW])('each secret of a rotation verifies (%#)', async (secret) => {
    const request = await received({ secrets: [NEW, OLD], sendSvixHeaders: true });
    const body = request.body.toString();
    expect(() => new StandardWebhook(secret).verify(body, headersOf(request))).not.toThrow();
    expect(() => new SvixWebhook(secret).verify(body, headersOf(request))).not.toThrow();
  });

  test('another secret does not verify', async () => {
    const request = await received({ secrets: [NEW, OLD] });
    const other = new StandardWebhook(`whsec_${randomBytes(32).toString('base64')}`);
    expect(() => other.verify(request.body.toString(), headersOf(request))).toThrow(/No matching/);
  });

  test('a changed body does not verify', async () => {
    const request = await received();
    const changed = request.body.toString().replace('completed', 'cancelled');
    expect(() => new StandardWebhook(NEW).verify(changed, headersOf(request))).toThrow(
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
    expect(() => new StandardWebhook(NEW).verify(request.body.toString(), headers)).toThrow(
      /No matching/,
    );
  });

  test('an old attempt does not verify', async () => {
    const request = await received({ timestamp: new Date(Date.now() - 6 * 60_000) });
    expect(() =>
      new StandardWebhook(NEW).verify(request.body.toString(), headersOf(request)),
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
      const echo = JSON.stringify({ ...request.headers, plain: 'x planted-2 x', secret: NEW });
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

describe('a receiver that', () => {
  test('listens nowhere is connection_refused', async () => {
    const port = await freePort();
    expect(codeOf(await send(`http://127.0.0.1:${port}/`))).toBe('connection_refused');
  });

  test('resets the connection is connection_reset', async () => {
    const code = await codeAfter((socket) => void socket.resetAndDestroy());
    expect(code).toBe('connection_reset');
  });

  test('closes without an answer is connection_closed', async () => {
    expect(await codeAfter((socket) => void socket.end())).toBe('connection_closed');
  });

  test('closes within the headers is connection_closed', async () => {
    expect(await codeAfter((socket) => void socket.end('HTTP/1.1 200 OK\r\nx-a'))).toBe(
      'connection_closed',
    );
  });

  test('closes within the body is connection_closed', async () => {
    const part = 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this';
    expect(await codeAfter((socket) => void socket.end(part))).toBe('connection_closed');
  });

  test.each([
    ['garbage', '\u0000\u0001garbage\r\n\r\n'],
    ['HTTP/0.9', 'hello, no status line'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
    ],
    ['a broken chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['a broken header', 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(10_000)}`],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
  ])('answers %s is invalid_response', async (_case, bytes) => {
    expect(await codeAfter((socket) => void socket.end(bytes))).toBe('invalid_response');
  });

  test('never answers is a timeout', async () => {
    expect(await codeAfter(() => undefined)).toBe('timeout');
  });

  test('sends its headers one byte at a time is a timeout', async () => {
    expect(await codeAfter(slowly('HTTP/1.1 200 OK\r\nx-a: b\r\n'.repeat(20)))).toBe('timeout');
  });

  test('sends its body one byte at a time is a timeout', async () => {
    const whole = `HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${'x'.repeat(1000)}`;
    expect(await codeAfter(slowly(whole, 60))).toBe('timeout');
  });

  test('accepts a TLS connection and says nothing is a timeout', async () => {
    const receiver = await receiverWith();
    const sender = senderWith({ DELIVERY_TIMEOUT_SECONDS: '1' });
    const url = receiver.url.replace('http:', 'https:');
    // The plain receiver takes the handshake for the beginning of a request.
    expect(codeOf(await send(url, {}, sender))).toBe('timeout');
  });

  test('speaks no TLS is tls_failure', async () => {
    const receiver = await receiverWith(accept, {
      onConnection: (socket) => void socket.once('data', () => socket.end(answer('400 X'))),
    });
    expect(codeOf(await send(receiver.url.replace('http:', 'https:')))).toBe('tls_failure');
  });

  test('has no address is dns_failure', async () => {
    expect(codeOf(await send('https://unknown.example.com/'))).toBe('dns_failure');
  });

  test('timed out costs no other attempt its connection', async () => {
    let requests = 0;
    const receiver = await receiverWith((socket) => {
      requests += 1;
      if (requests > 1) socket.write(answer('204 X'));
    });
    const sender = senderWith({ DELIVERY_TIMEOUT_SECONDS: '1' });
    expect(codeOf(await send(receiver.url, {}, sender))).toBe('timeout');
    expect(codeOf(await send(receiver.url, {}, sender))).toBe('204');
  });
});

/** Writes the first `atOnce` bytes, and then one every 50 ms. */
function slowly(text: string, atOnce = 0): Receive {
  return (socket) => {
    let at = atOnce;
    socket.write(text.slice(0, at));
    const timer = setInterval(() => {
      if (socket.destroyed || at >= text.length) clearInterval(timer);
      else socket.write(text.charAt(at++));
    }, 50);
  };
}

describe.skipIf(withoutOpenssl())('TLS', () => {
  async function tlsReceiver(name: string) {
    const certificate = selfSigned(name);
    cleanUps.push(certificate.remove);
    return { ...(await receiverWith(accept, { tls: certificate })), file: certificate.file };
  }

  test('an unknown authority is tls_untrusted', async () => {
    const receiver = await tlsReceiver('IP:127.0.0.1');
    expect(codeOf(await send(receiver.url))).toBe('tls_untrusted');
    expect(receiver.requests).toEqual([]);
  });

  test('an authority in DELIVERY_CA_FILE is trusted', async () => {
    const receiver = await tlsReceiver('IP:127.0.0.1');
    const sender = senderWith({ DELIVERY_CA_FILE: receiver.file });
    expect(codeOf(await send(receiver.url, {}, sender))).toBe('204');
  });

  test('a certificate for another name is tls_wrong_host', async () => {
    const receiver = await tlsReceiver('DNS:elsewhere.example.com');
    const sender = senderWith({ DELIVERY_CA_FILE: receiver.file });
    expect(codeOf(await send(receiver.url, {}, sender))).toBe('tls_wrong_host');
  });

  test('the certificate is checked for the name, and the connection goes to the checked address', async () => {
    const receiver = await tlsReceiver('DNS:hooks.example.com');
    const sender = senderWith({ DELIVERY_CA_FILE: receiver.file });
    resolver.answers.set('hooks.example.com', ['127.0.0.1']);
    const outcome = await send(`https://hooks.example.com:${receiver.port}/`, {}, sender);
    expect(codeOf(outcome)).toBe('204');
  });
});

describe('the address of a connection', () => {
  /** Without loopback, so that a connection to a listener here is a forbidden one. */
  const forbidding = () => senderWith({ DELIVERY_ALLOWED_NETWORKS: '10.255.0.0/16' });

  test.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '0177.0.0.1',
    '2130706433',
    '127.0.0.2',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '0.0.0.0',
    '0',
    '[::]',
  ])('is never a forbidden one: %s', async (host) => {
    const receiver = await receiverWith();
    expect(codeOf(await send(`http://${host}:${receiver.port}/`, {}, forbidding()))).toBe(
      'address_refused',
    );
    expect(receiver.connections()).toBe(0);
  });

  test.each([['127.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], ['0.0.0.0'], ['127.0.0.1', '::1']])(
    'is never a forbidden one of a name: %s %s',
    async (...addresses) => {
      const receiver = await receiverWith();
      resolver.answers.set('rebound.example.com', addresses);
      const url = `https://rebound.example.com:${receiver.port}/`;
      expect(codeOf(await send(url, {}, forbidding()))).toBe('address_refused');
      expect(receiver.connections()).toBe(0);
    },
  );

  test('is checked again after a change of the DNS', async () => {
    const receiver = await receiverWith();
    const settings = Settings.load({ DELIVERY_ALLOWED_NETWORKS: '10.255.0.0/16' });
    const policy = new AddressPolicy(settings, resolver);
    const url = `https://rebound.example.com:${receiver.port}/`;
    resolver.answers.set('rebound.example.com', ['1.1.1.1']);
    await policy.checkUrl(url);
    resolver.answers.set('rebound.example.com', ['127.0.0.1']);
    expect(codeOf(await send(url, {}, forbidding()))).toBe('address_refused');
    expect(receiver.connections()).toBe(0);
  });

  test('is the one that was checked: the name is resolved once for a connection', async () => {
    const [first, second] = [await receiverWith(), await receiverWith()];
    class Rebinding extends FakeResolver {
      /** Allowed at the first request, forbidden from then on. */
      override async resolve(name: string) {
        await super.resolve(name).catch(() => undefined);
        const address = this.resolved.length === 1 ? '127.0.0.1' : '127.0.0.2';
        return [{ address, family: 4 }];
      }
    }
    const dns = new Rebinding();
    const settings = Settings.load({ DELIVERY_ALLOWED_NETWORKS: '127.0.0.1/32' });
    const sender = new EventSender(settings, new AddressPolicy(settings, dns));
    cleanUps.push(() => sender.onApplicationShutdown());
    expect(codeOf(await send(`http://rebound.test:${first.port}/`, {}, sender))).toBe('204');
    expect(dns.resolved).toEqual(['rebound.test']);
    expect(codeOf(await send(`http://rebound.test:${second.port}/`, {}, sender))).toBe(
      'address_refused',
    );
    expect([first.connections(), second.connections()]).toEqual([1, 0]);
  });

  test('is an allowed one of a name that also has forbidden ones, which are never tried', async () => {
    const allowed = await receiverWith(accept, { host: '127.0.0.2' });
    const forbidden = await receiverWith(accept, { host: '127.0.0.3', port: allowed.port });
    resolver.answers.set('mixed.test', ['127.0.0.3', '127.0.0.2']);
    const sender = senderWith({ DELIVERY_ALLOWED_NETWORKS: '127.0.0.2/32' });
    expect(codeOf(await send(`http://mixed.test:${allowed.port}/`, {}, sender))).toBe('204');
    expect(forbidden.connections()).toBe(0);
  });

  test('is not the database, also where its network is listed', async () => {
    const receiver = await receiverWith();
    resolver.answers.set('database.test', ['127.0.0.1']);
    const sender = senderWith({
      DELIVERY_ALLOWED_NETWORKS: '127.0.0.0/8',
      DATABASE_URL: `postgres://gateway@database.test:${receiver.port}/gateway`,
    });
    expect(codeOf(await send(receiver.url, {}, sender))).toBe('address_refused');
    expect(receiver.connections()).toBe(0);
  });

  test.each(['https://user:planted@127.0.0.1/', 'file:///etc/passwd', 'nonsense', ''])(
    'is not read from an invalid URL: %s',
    async (url) => {
      const outcome = await send(url);
      expect(codeOf(outcome)).toBe('address_refused');
      expect(JSON.stringify(outcome)).not.toContain('planted');
    },
  );
});
