import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { codeOf, receiverWith, resolver, send, senderWith } from '../support/event-sender.js';
import { FakeResolver } from '../support/fake-resolver.js';
import { accept, answer, type Receive, type ReceiverOptions } from '../support/receiver.js';
import { selfSigned, withoutOpenssl } from '../support/tls-certificate.js';

/** The code of an attempt to a receiver that does this. */
async function codeAfter(receive: Receive, options?: ReceiverOptions): Promise<string> {
  const receiver = await receiverWith(receive, options);
  return codeOf(await send(receiver.url, {}, senderWith({ DELIVERY_TIMEOUT_SECONDS: '1' })));
}

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
    ['an upgrade to nothing', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['100 Continue, which it was not asked for,', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['the status 000', 'HTTP/1.1 000 X\r\ncontent-length: 0\r\n\r\n'],
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

  test('has a DNS that does not answer is a timeout', async () => {
    class Hanging extends FakeResolver {
      override resolve(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    const sender = senderWith({ DELIVERY_TIMEOUT_SECONDS: '1' }, new Hanging());
    expect(codeOf(await send('https://a.example.com/', {}, sender))).toBe('timeout');
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
    onTestFinished(certificate.remove);
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
