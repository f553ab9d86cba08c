import { randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import { AlertsStore } from '../../src/alerts/alerts.store.js';
import {
  alerts,
  closeAll,
  closeLater,
  keysOf,
  logged,
  raised,
  replica,
  sweep,
} from '../support/alert-steps.js';
import { eventually, type TestGateway } from '../support/gateway.js';

afterEach(closeAll);

describe('an alert, with ALERT_WEBHOOK_URL', () => {
  interface Receiver {
    readonly url: string;
    readonly posts: { headers: IncomingHttpHeaders; body: string; url: string }[];
  }

  /** Answers as `statuses` say, the last one again and again. */
  async function receiver(...statuses: number[]): Promise<Receiver> {
    const posts: Receiver['posts'] = [];
    const server: Server = createServer((request, response) => {
      let body = '';
      request.on('data', (bytes: Buffer) => (body += bytes.toString()));
      request.on('end', () => {
        const status = statuses[Math.min(posts.length, statuses.length - 1)] ?? 200;
        posts.push({ headers: request.headers, body, url: request.url ?? '' });
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closeLater({
      close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
    });
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/alerts`, posts };
  }

  const secret = `whsec_${randomBytes(24).toString('base64')}`;
  const signed = (headers: IncomingHttpHeaders): Record<string, string> =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  const notified = (gateway: TestGateway) =>
    eventually('notified', async () => (await alerts(gateway))[0]?.notifiedAt ?? undefined);
  /** Waits until a try has ended like this, and makes the next one due. */
  const failed = async (gateway: TestGateway, how: string) => {
    await eventually(how, () => logged().some((line) => line.includes(how)) || undefined);
    await gateway.pool.query('UPDATE alerts SET notify_at = now()');
  };

  it('is posted once, signed, and without a secret', async () => {
    const to = await receiver(200);
    const settings = { ALERT_WEBHOOK_URL: to.url, ALERT_WEBHOOK_SECRET: secret };
    const gateway = await raised(settings);
    const other = await replica(gateway, settings);
    await Promise.all([sweep(gateway), sweep(other)]);
    await notified(gateway);
    await Promise.all([sweep(gateway), sweep(other)]);
    expect(to.posts).toHaveLength(1);
    const [post] = to.posts;
    const headers: IncomingHttpHeaders = post?.headers ?? {};
    const body = post?.body ?? '';
    const message = new Webhook(secret).verify(body, signed(headers));
    const [alert] = await alerts(gateway);
    expect(message).toMatchObject({
      type: 'alert.raised',
      // Later sweeps update the counts in the message.
      data: {
        id: alert?.id,
        kind: 'source_address',
        message: expect.stringContaining('WEBHOOK_IP_ALLOWLIST does not contain the address'),
      },
    });
    expect(headers['webhook-id']).toBe(alert?.id);
    expect(() => new Webhook(secret).verify(`${body} `, signed(headers))).toThrow(
      'No matching signature',
    );
    for (const word of [secret.slice(6), keysOf(gateway).slice(2), gateway.sandbox.apiKey, 'v1.'])
      expect(body).not.toContain(word);
  });

  it('is taken by one of many processes at a time', async () => {
    const gateway = await raised();
    await sweep(gateway);
    const store = gateway.app.get(AlertsStore, { strict: false });
    for (let n = 0; n < 20; n++) {
      const taken = await Promise.all(Array.from({ length: 8 }, () => store.leaseUnsent(30)));
      expect(taken.filter((alert) => alert !== undefined)).toHaveLength(1);
      await store.markNotSent(taken.flatMap((alert) => alert?.id ?? [])[0] ?? '', 0);
    }
  });

  it('is tried again until it is taken; redirects are not followed', async () => {
    const to = await receiver(500, 302, 204);
    const gateway = await raised({ ALERT_WEBHOOK_URL: to.url, ALERT_WEBHOOK_SECRET: secret });
    await sweep(gateway);
    await failed(gateway, 'it answered 500');
    await sweep(gateway);
    await failed(gateway, 'it answered 302');
    expect((await alerts(gateway))[0]?.notifiedAt).toBeNull();
    await sweep(gateway);
    await notified(gateway);
    expect(to.posts.map(({ url }) => url)).toEqual(['/alerts', '/alerts', '/alerts']);
    expect(new Set(to.posts.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('delays no sweep if its receiver does not answer', async () => {
    const gateway = await raised({
      ALERT_WEBHOOK_URL: 'http://127.0.0.1:9/',
      ALERT_WEBHOOK_SECRET: secret,
    });
    expect((await sweep(gateway)).raised).toBe(1);
    await failed(gateway, 'an alert could not be sent');
    expect((await sweep(gateway)).raised).toBe(0);
  });
});
