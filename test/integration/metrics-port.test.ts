import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { InternalServer } from '../../src/metrics/internal-server.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

async function startWith(environment: Record<string, string>): Promise<TestGateway> {
  gateway = await startGateway(environment);
  return gateway;
}

const inside = ({ app }: TestGateway): string => app.get(InternalServer, { strict: false }).url;

it('serves metrics on PORT without METRICS_PORT, except in a webhook-only process', async () => {
  const all = await startWith({});
  expect((await all.call('GET', '/metrics')).status).toBe(200);
  await all.close();
  const door = await startWith({ ROLES: 'webhooks' });
  expect((await door.call('GET', '/metrics')).status).toBe(404);
  expect((await door.call('GET', '/health/ready')).body.checks).toEqual({
    database: 'up',
    process: 'up',
  });
});

it.each(['webhooks', 'api', 'worker', 'api,webhooks,worker'])(
  'serves metrics and health alone on METRICS_PORT: ROLES=%s',
  async (roles) => {
    const one = await startWith({ METRICS_PORT: String(await freePort()), ROLES: roles });
    const { status, headers, body } = await send(`${inside(one)}/metrics`, 'GET');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toMatch(/^# /);
    expect((await one.call('GET', '/metrics')).status).toBe(404);
    expect((await send(`${inside(one)}/health/live`, 'GET')).body).toEqual({ status: 'up' });
    expect((await send(`${inside(one)}/health/ready`, 'GET')).body).toEqual({
      status: 'up',
      checks: { database: 'up', process: 'up' },
    });
  },
);

it('a webhook-only process with METRICS_PORT shows no checks on PORT', async () => {
  const door = await startWith({ METRICS_PORT: String(await freePort()), ROLES: 'webhooks' });
  const { status, body } = await door.call('GET', '/health/ready');
  expect({ status, body }).toEqual({ status: 200, body: { status: 'up' } });
});

it('the port serves nothing else, and only reads', async () => {
  const one = await startWith({ METRICS_PORT: String(await freePort()) });
  for (const path of ['/', '/v1/jobs', '/webhooks/reducto', '/admin', '/metrics/x'])
    expect((await send(inside(one) + path, 'GET')).status).toBe(404);
  expect((await send(`${inside(one)}/metrics`, 'POST', {})).status).toBe(405);
  const head = await fetch(`${inside(one)}/metrics`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

it('METRICS_HOST says where it listens, and HOST does where that is unset', async () => {
  const port = String(await freePort());
  const one = await startWith({ METRICS_PORT: port, METRICS_HOST: '127.0.0.2' });
  expect(inside(one)).toBe(`http://127.0.0.2:${port}`);
  await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow('fetch failed');
  await one.close();
  const other = await startWith({ METRICS_PORT: port, HOST: '127.0.0.3' });
  expect(inside(other)).toBe(`http://127.0.0.3:${port}`);
});

it('closes METRICS_PORT on shutdown, also with a connection that the client keeps open', async () => {
  const port = await freePort();
  const one = await startWith({ METRICS_PORT: String(port) });
  const url = inside(one);
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const [scrape] = (await once(get(`${url}/metrics`, { agent }), 'response')) as [IncomingMessage];
  await once(scrape.resume(), 'end');
  const [connection] = Object.values(agent.freeSockets).flat();
  await one.close();
  gateway = undefined;
  // The server ended the connection; the client never does.
  await expect.poll(() => connection?.destroyed).toBe(true);
  await expect(fetch(`${url}/health/live`)).rejects.toThrow('fetch failed');
});

it('a port that is in use ends the start, and the error names the setting', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await expect(startGateway({ METRICS_PORT: String(port) })).rejects.toThrow(
    `METRICS_PORT: cannot listen on 127.0.0.1, port ${port}`,
  );
});
