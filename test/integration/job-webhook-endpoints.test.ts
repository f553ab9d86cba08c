import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps } from '../support/processes.js';
import { answer, startReceiver, type Receiver } from '../support/receiver.js';
import { sdksOf } from '../support/reducto-sdk.js';

const INPUT = 'https://example.com/a.pdf';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());
afterEach(cleanUp);

async function receiver(...args: Parameters<typeof startReceiver>): Promise<Receiver> {
  const started = await startReceiver(...args);
  cleanUps.push(() => started.close());
  return started;
}

const received = (hook: Receiver, count = 1) =>
  eventually(`${count} callbacks`, () =>
    hook.requests.length >= count ? hook.requests : undefined,
  );

const direct = (url: string) => ({ webhook: { mode: 'direct' as const, url } });

describe('the endpoint of direct webhooks', () => {
  const LONG = { input: INPUT, sim: { runMs: 60_000 } };

  /** A service with its client, its key, and the endpoint of its webhooks. */
  async function serviceOf(service: string) {
    const key = await gateway.newKey(service);
    const call = (method: string, path: string, body?: unknown) =>
      gateway.call(method, path, body, { authorization: `Bearer ${key}` });
    const endpoints = async (): Promise<{ id: string; url: string }[]> =>
      (await call('GET', '/v1/endpoints')).body.endpoints;
    return { client: sdksOf({ ...gateway, key }).gateway, call, endpoints };
  }

  it('cannot be deleted while open jobs name it', async () => {
    const hook = await receiver();
    const { client, call, endpoints } = await serviceOf('kept');
    const { job_id } = await client.parse.runJob({ ...LONG, async: direct(hook.url) });
    const path = `/v1/endpoints/${(await endpoints())[0]?.id}`;
    const refused = await call('DELETE', path);
    expect([refused.status, refused.body.code]).toEqual([409, 'endpoint_in_use']);
    await client.job.cancel(job_id);
    await received(hook);
    await eventually('the deletion', async () =>
      (await call('DELETE', path)).status === 204 ? true : undefined,
    );
  });

  it('cannot be deleted while deliveries wait, unless it is disabled', async () => {
    const hook = await receiver((socket) => socket.write(answer('500 Internal Server Error')));
    const { client, call, endpoints } = await serviceOf('waits');
    await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
    await received(hook);
    const path = `/v1/endpoints/${(await endpoints())[0]?.id}`;
    expect((await call('DELETE', path)).body.code).toBe('endpoint_in_use');
    await call('PATCH', path, { enabled: false });
    expect((await call('DELETE', path)).status).toBe(204);
  });

  it('is made again for the end of a job, if it was deleted while the job was accepted', async () => {
    const hook = await receiver();
    const { client, endpoints } = await serviceOf('again-made');
    const { job_id } = await client.parse.runJob({ ...LONG, async: direct(hook.url) });
    await gateway.pool.query(`DELETE FROM endpoints WHERE service = 'again-made'`);
    await client.job.cancel(job_id);
    const [request] = await received(hook);
    expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({ job_id });
    expect(await endpoints()).toHaveLength(1);
  });

  it('loses no webhook to deletions at the same time', async () => {
    const hook = await receiver();
    const { client, call, endpoints } = await serviceOf('racing');
    const done = new AbortController();
    const deletions = (async () => {
      let deleted = 0;
      while (!done.signal.aborted) {
        for (const { id } of await endpoints()) {
          if ((await call('DELETE', `/v1/endpoints/${id}`)).status === 204) deleted += 1;
        }
      }
      return deleted;
    })();
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) {
      const { job_id } = await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
      ids.push(job_id);
      await received(hook, n + 1);
    }
    done.abort();
    expect(await deletions).toBeGreaterThan(0);
    const called = hook.requests.map(({ body }) => JSON.parse(body.toString()).job_id);
    expect(called).toEqual(ids);
  });

  it('cannot move to another URL', async () => {
    const hook = await receiver();
    const { client, call, endpoints } = await serviceOf('stays');
    await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
    const [endpoint] = await endpoints();
    const moved = await call('PATCH', `/v1/endpoints/${endpoint?.id}`, {
      url: 'https://elsewhere.example.com/',
    });
    expect([moved.status, moved.body.errors?.[0]?.path]).toEqual([422, 'url']);
  });

  it('is not sent the event of a job whose webhook is elsewhere', async () => {
    const [one, other] = [await receiver(), await receiver()];
    const { client, call, endpoints } = await serviceOf('apart');
    const { job_id } = await client.parse.runJob({ input: INPUT, async: direct(one.url) });
    await client.parse.runJob({ input: INPUT, async: direct(other.url) });
    await received(one);
    await received(other);
    const { body } = await call('GET', `/v1/events?jobId=${job_id}`);
    const origin = `${new URL(other.url).origin}/`;
    const endpointId = (await endpoints()).find(({ url }) => url === origin)?.id;
    const resent = await call('POST', `/v1/events/${body.events[0].id}/resend`, { endpointId });
    expect([resent.status, resent.body.code]).toEqual([409, 'event_not_for_endpoint']);
    const { rows } = await gateway.pool.query(
      'SELECT event_id FROM deliveries WHERE endpoint_id = $1',
      [endpointId],
    );
    expect(rows).toHaveLength(1);
  });
});
