import { afterEach, describe, expect, it } from 'vitest';
import { eventually, type Answer } from '../support/gateway.js';
import { startProxiedGateway, type ProxiedGateway } from '../support/proxied-gateway.js';

/* The gateway as its callers see it while the database is silent, away or full. */

const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function start(environment: Record<string, string> = {}): Promise<ProxiedGateway> {
  const started = await startProxiedGateway(environment);
  cleanUps.push(() => started.close());
  return started;
}

const parse = { type: 'parse', input: 'https://example.com/a.pdf' };

const isRefusal = ({ status, headers, body }: Answer): boolean =>
  status === 503 && Number(headers.get('retry-after')) > 0 && body.code === 'unavailable';

describe('a database that becomes silent', () => {
  it('fails concurrent requests with 503, and no later ones', async () => {
    const { gateway, proxy } = await start();
    const id = await gateway.submit();
    await gateway.ended(id);
    const ask = (): Promise<Answer[]> =>
      Promise.all(Array.from({ length: 8 }, () => gateway.call('GET', `/v1/jobs/${id}`)));
    expect((await ask()).map(({ status }) => status)).toEqual(Array(8).fill(200));
    proxy.set('silent');
    expect((await ask()).every(isRefusal)).toBe(true);
    // Connections that went silent stay so: every one of these answers came over a new one.
    proxy.set('pass');
    expect((await ask()).map(({ status }) => status)).toEqual(Array(8).fill(200));
  });

  it('does not keep the connections of workers and waiting requests', async () => {
    const { gateway, proxy, direct } = await start();
    await gateway.ended(await gateway.submit());
    const listeners = async (): Promise<number[]> => {
      const { rows } = await direct.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'reducto-gateway-session'`,
      );
      return rows.map(({ pid }) => pid);
    };
    const before = await eventually('the session is open', async () => {
      const now = await listeners();
      return now.length === 1 ? now : undefined;
    });
    proxy.set('silent');
    await eventually('the gateway is not ready', async () =>
      (await gateway.call('GET', '/health/ready')).status === 503 ? true : undefined,
    );
    proxy.set('pass');
    await eventually('another session is open', async () => {
      const now = await listeners();
      return now.some((pid) => !before.includes(pid)) ? true : undefined;
    });
    // A request may still meet a connection that went silent; its sender is told to come again.
    const id = await eventually('a job is accepted', () => gateway.submit().catch(() => undefined));
    expect((await gateway.ended(id)).status).toBe('completed');
  });

  it('makes the gateway unready but alive, then ready again', async () => {
    const { gateway, proxy } = await start({
      DATABASE_TIMEOUT_SECONDS: '30',
      // The loops of the worker may hold two that are silent until their time is over.
      DATABASE_POOL_SIZE: '4',
    });
    const id = await gateway.submit();
    await Promise.all(Array.from({ length: 8 }, () => gateway.call('GET', `/v1/jobs/${id}`)));
    const ready = async (): Promise<number> => (await gateway.call('GET', '/health/ready')).status;
    expect(await ready()).toBe(200);
    proxy.set('silent');
    const begin = performance.now();
    expect(await Promise.all(Array.from({ length: 30 }, ready))).toEqual(Array(30).fill(503));
    expect((await gateway.call('GET', '/health/live')).status).toBe(200);
    // Generous, and well below the timeout of the database.
    expect(performance.now() - begin).toBeLessThan(20_000);
    // No connection is given up for its silence yet, but for those that the probes have found.
    proxy.set('pass');
    await eventually('ready again', async () => ((await ready()) === 200 ? true : undefined));
    proxy.set('refuse');
    expect(await ready()).toBe(503);
    proxy.set('pass');
    expect(await ready()).toBe(200);
  });
});

describe('a pool of two connections', () => {
  it('serves many requests at once without a deadlock', async () => {
    const { gateway } = await start({ DATABASE_POOL_SIZE: '2', DATABASE_TIMEOUT_SECONDS: '15' });
    const ids = await Promise.all(Array.from({ length: 60 }, () => gateway.submit()));
    const jobs = await Promise.all(ids.map((id) => gateway.ended(id)));
    expect(jobs.map(({ status }) => status)).toEqual(ids.map(() => 'completed'));
  });

  it('answers 503 with Retry-After if no connection or lock is available in time', async () => {
    const { gateway, direct } = await start({ DATABASE_POOL_SIZE: '2' });
    const locker = await direct.connect();
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE');
    const refused = await Promise.all(
      Array.from({ length: 20 }, () => gateway.call('POST', '/v1/jobs', parse)),
    );
    await locker.query('ROLLBACK');
    locker.release();
    expect(refused.map(isRefusal)).toEqual(Array(20).fill(true));
    expect((await gateway.ended(await gateway.submit())).status).toBe('completed');
  });
});
