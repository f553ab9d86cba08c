import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint, endJob, passTime, type TestEndpoint } from '../support/endpoints.js';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';
import { answer, type Receive } from '../support/receiver.js';

let gateway: TestGateway;
let adminKey: string;

beforeAll(async () => {
  gateway = await startGateway();
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterAll(() => gateway.close());

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  send(`${gateway.url}/v1/admin${path}`, method, body, { authorization: `Bearer ${adminKey}` });

const failing: Receive = (socket) =>
  void socket.write(answer('500 Internal Server Error', 'out of order'));
const gone: Receive = (socket) => void socket.write(answer('410 Gone'));

const idsOf = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id);

/** Waits for the newest event of the service with a delivery that `isDone` accepts. */
const eventOf = (
  service: string,
  isDone: (delivery: Record<string, unknown>) => boolean,
): Promise<Answer['body']> =>
  eventually('the delivery', async () => {
    const { body } = await ask('GET', `/events?service=${service}&limit=1`);
    const [event] = body.events;
    return event?.deliveries.some(isDone) === true ? event : undefined;
  });
const attempted = ({ attempts }: Record<string, unknown>): boolean => Number(attempts) > 0;
const delivered = ({ status }: Record<string, unknown>): boolean => status === 'delivered';

/** An endpoint that was disabled because it answered 410. */
async function disabledEndpoint(): Promise<TestEndpoint> {
  const endpoint = await createEndpoint(gateway, gone);
  await endJob(gateway, endpoint.service);
  await eventually('the endpoint to be disabled', async () => {
    const { body } = await ask('GET', `/endpoints/${endpoint.id}`);
    return body.state === 'disabled' ? true : undefined;
  });
  return endpoint;
}

const lastAction = async (): Promise<Record<string, unknown>> =>
  (await ask('GET', '/actions?limit=1')).body.actions[0];

describe('an admin', () => {
  it('lists the endpoints of a service, page by page', async () => {
    const one = await createEndpoint(gateway);
    const two = await createEndpoint(gateway, undefined, {}, one.service);
    await createEndpoint(gateway);
    const first = (await ask('GET', `/endpoints?service=${one.service}&limit=1`)).body;
    const rest = `/endpoints?service=${one.service}&limit=1&cursor=${first.nextCursor}`;
    const second = (await ask('GET', rest)).body;
    expect(idsOf([...first.endpoints, ...second.endpoints])).toEqual([one.id, two.id]);
    expect(second.nextCursor).toBeNull();
  });

  it.each([
    ['active', undefined],
    ['failing', failing],
    ['disabled', gone],
  ] as const)('finds %s endpoints', async (state, receive) => {
    const endpoint = await createEndpoint(gateway, receive);
    await endJob(gateway, endpoint.service);
    await expect
      .poll(async () => {
        const { body } = await ask('GET', `/endpoints?service=${endpoint.service}&state=${state}`);
        return idsOf(body.endpoints);
      })
      .toEqual([endpoint.id]);
  });

  it('reads the health of an endpoint', async () => {
    const endpoint = await createEndpoint(gateway, failing, { description: 'Billing' });
    await endJob(gateway, endpoint.service);
    await eventOf(endpoint.service, attempted);
    const { body } = await ask('GET', `/endpoints/${endpoint.id}`);
    expect(body).toMatchObject({
      service: endpoint.service,
      url: endpoint.receiver.url,
      description: 'Billing',
      state: 'failing',
      failingSince: expect.any(String),
      lastFailureAt: expect.any(String),
      lastSuccessAt: null,
      consecutiveFailures: 1,
      pendingDeliveries: 1,
      recentlySent: 1,
      recentlyDelivered: 0,
    });
  });

  it('reads that a resent event is one that was delivered', async () => {
    const endpoint = await createEndpoint(gateway);
    await endJob(gateway, endpoint.service);
    const event = await eventOf(endpoint.service, delivered);
    await endpoint.call('POST', `/v1/events/${event.id}/resend`, {});
    await eventOf(endpoint.service, (one) => delivered(one) && one['attempts'] === 2);
    const { body } = await ask('GET', `/endpoints/${endpoint.id}`);
    expect([body.recentlySent, body.recentlyDelivered]).toEqual([1, 1]);
  });

  it('sees neither the secret nor the headers nor the query of an endpoint', async () => {
    const endpoint = await createEndpoint(gateway, undefined, {
      headers: { authorization: 'Bearer of-the-receiver' },
    });
    const url = `${endpoint.receiver.url}?token=of-the-query`;
    await endpoint.call('PATCH', `/v1/endpoints/${endpoint.id}`, { url });
    await endJob(gateway, endpoint.service);
    const event = await eventOf(endpoint.service, delivered);
    const answers = [
      await ask('GET', `/endpoints/${endpoint.id}`),
      await ask('GET', `/endpoints?service=${endpoint.service}`),
      await ask('GET', `/events/${event.id}`),
      await ask('GET', `/events/${event.id}/attempts`),
    ];
    const text = JSON.stringify(answers.map(({ body }) => body));
    expect(answers[0]?.body.url).toBe(`${endpoint.receiver.url}?[redacted]`);
    expect(text).not.toMatch(/whsec_|of-the-receiver|of-the-query/);
    expect(text).not.toContain(endpoint.secret.slice(6));
  });

  it('disables an endpoint, and the audit records it', async () => {
    const endpoint = await createEndpoint(gateway);
    const { status, body } = await ask('POST', `/endpoints/${endpoint.id}/disable`);
    expect([status, body.state, body.disabledReason]).toEqual([200, 'disabled', 'admin']);
    const seen = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
    expect(seen.body).toMatchObject({ enabled: false, disabledReason: 'admin' });
    expect(await lastAction()).toMatchObject({
      action: 'endpoint.disable',
      state: 'done',
      actor: { service: 'platform', via: 'api' },
      detail: { endpoint: endpoint.id, service: endpoint.service },
    });
  });

  it('enables an endpoint, which then gets what it has missed', async () => {
    const endpoint = await createEndpoint(gateway);
    await ask('POST', `/endpoints/${endpoint.id}/disable`);
    await endJob(gateway, endpoint.service);
    await eventOf(endpoint.service, ({ status }) => status === 'pending');
    expect(endpoint.received()).toEqual([]);
    const { status, body } = await ask('POST', `/endpoints/${endpoint.id}/enable`);
    expect([status, body.state, body.disabledReason]).toEqual([200, 'active', null]);
    await endpoint.requests(1);
    expect(await lastAction()).toMatchObject({ action: 'endpoint.enable', state: 'done' });
  });

  it('enables an endpoint, which also gets the event whose failure was the first', async () => {
    const endpoint = await disabledEndpoint();
    await ask('POST', `/endpoints/${endpoint.id}/enable`);
    await endpoint.requests(2);
    const [first, second] = endpoint.received();
    expect(second).toBe(first);
  });

  it('counts what a recovery would send, without sending it', async () => {
    const endpoint = await disabledEndpoint();
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const { status, body } = await ask('POST', `/endpoints/${endpoint.id}/recover`, {
      since,
      dryRun: true,
    });
    expect([status, body]).toEqual([202, { deliveries: 1, dryRun: true }]);
    expect((await ask('GET', `/endpoints/${endpoint.id}`)).body.state).toBe('disabled');
    expect((await lastAction())['action']).not.toBe('endpoint.recover');
  });

  it('recovers an endpoint, and the audit records the number of deliveries', async () => {
    const endpoint = await disabledEndpoint();
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const { body } = await ask('POST', `/endpoints/${endpoint.id}/recover`, { since });
    expect(body).toEqual({ deliveries: 1, dryRun: false });
    await endpoint.requests(2);
    expect(await lastAction()).toMatchObject({
      action: 'endpoint.recover',
      state: 'done',
      detail: { endpoint: endpoint.id, since, deliveries: 1 },
    });
  });

  it('sends a test event to an endpoint', async () => {
    const endpoint = await createEndpoint(gateway);
    const { status, body } = await ask('POST', `/endpoints/${endpoint.id}/test`);
    expect(status).toBe(202);
    await endpoint.requests(1);
    expect(endpoint.received()).toEqual([body.eventId]);
    expect(await lastAction()).toMatchObject({
      action: 'endpoint.test',
      detail: { event: body.eventId },
    });
  });

  it('gets 409 for a test of a disabled endpoint, and the audit records the failure', async () => {
    const endpoint = await createEndpoint(gateway);
    await ask('POST', `/endpoints/${endpoint.id}/disable`);
    const { status, body } = await ask('POST', `/endpoints/${endpoint.id}/test`);
    expect([status, body.code]).toEqual([409, 'endpoint_disabled']);
    expect(await lastAction()).toMatchObject({ state: 'failed', reason: 'endpoint_disabled' });
  });

  it('lists the events of all services, newest first, page by page', async () => {
    const one = await createEndpoint(gateway);
    const two = await createEndpoint(gateway);
    for (const { service } of [one, two]) {
      await endJob(gateway, service);
      await eventOf(service, delivered);
    }
    const first = (await ask('GET', '/events?limit=1')).body;
    const second = (await ask('GET', `/events?limit=1&cursor=${first.nextCursor}`)).body;
    const services = [...first.events, ...second.events].map(({ service }) => service);
    expect(services).toEqual([two.service, one.service]);
  });

  it('lists the events of a service, page by page', async () => {
    const { service } = await createEndpoint(gateway);
    const jobs = [await endJob(gateway, service)];
    await eventOf(service, delivered);
    jobs.unshift(await endJob(gateway, service));
    await eventually('the second event', async () => {
      const { body } = await ask('GET', `/events?service=${service}`);
      return body.events.length === 2 || undefined;
    });
    const first = (await ask('GET', `/events?service=${service}&limit=1`)).body;
    const rest = `/events?service=${service}&limit=1&cursor=${first.nextCursor}`;
    const second = (await ask('GET', rest)).body;
    const found = [...first.events, ...second.events].map(({ jobId }) => jobId);
    expect(found).toEqual(jobs);
    expect(second.nextCursor).toBeNull();
  });

  it.each(['type', 'endpointId', 'status', 'jobId'] as const)(
    'finds events by %s',
    async (name) => {
      const endpoint = await createEndpoint(gateway);
      const jobId = await endJob(gateway, endpoint.service);
      const event = await eventOf(endpoint.service, delivered);
      const values = { type: event.type, endpointId: endpoint.id, status: 'delivered', jobId };
      const others = {
        type: 'job.expired',
        endpointId: randomUUID(),
        status: 'failed',
        jobId: randomUUID(),
      };
      const find = async (value: string): Promise<string[]> => {
        const query = `?service=${endpoint.service}&${name}=${value}`;
        return idsOf((await ask('GET', `/events${query}`)).body.events);
      };
      expect(await find(values[name])).toEqual([event.id]);
      expect(await find(others[name])).toEqual([]);
    },
  );

  it('shows a delivery to a deleted endpoint as cancelled', async () => {
    const endpoint = await createEndpoint(gateway, failing);
    await endJob(gateway, endpoint.service);
    await eventOf(endpoint.service, attempted);
    await endpoint.call('DELETE', `/v1/endpoints/${endpoint.id}`);
    const { body } = await ask('GET', `/events?service=${endpoint.service}&status=cancelled`);
    expect(body.events[0].deliveries).toMatchObject([{ status: 'cancelled', url: null }]);
    const pending = await ask('GET', `/events?service=${endpoint.service}&status=pending`);
    expect(pending.body.events).toEqual([]);
  });

  it('reads every attempt to deliver an event', async () => {
    const endpoint = await createEndpoint(gateway, failing);
    await endJob(gateway, endpoint.service);
    await endpoint.requests(1);
    await eventOf(endpoint.service, attempted);
    await passTime(gateway, endpoint.id);
    const event = await eventOf(endpoint.service, ({ attempts }) => attempts === 2);
    const { body } = await ask('GET', `/events/${event.id}/attempts`);
    expect(body.attempts).toMatchObject([
      { attempt: 1, status: 500, error: 'it answered 500', responseBody: 'out of order' },
      { attempt: 2, endpointId: endpoint.id, durationMs: expect.any(Number) },
    ]);
  });

  it('sends an event again with the same id, and the audit records it', async () => {
    const endpoint = await createEndpoint(gateway);
    await endJob(gateway, endpoint.service);
    const event = await eventOf(endpoint.service, delivered);
    const { status, body } = await ask('POST', `/events/${event.id}/resend`, {
      endpointId: endpoint.id,
    });
    expect([status, body]).toEqual([202, { endpointIds: [endpoint.id] }]);
    await endpoint.requests(2);
    expect(endpoint.received()).toEqual([event.id, event.id]);
    expect(await lastAction()).toMatchObject({
      action: 'event.resend',
      state: 'done',
      detail: { event: event.id, service: endpoint.service, endpoints: [endpoint.id] },
    });
  });

  it.each([
    ['GET', '/endpoints/:id', 'endpoint_not_found'],
    ['POST', '/endpoints/:id/enable', 'endpoint_not_found'],
    ['POST', '/endpoints/:id/disable', 'endpoint_not_found'],
    ['POST', '/endpoints/:id/test', 'endpoint_not_found'],
    ['GET', '/events/:id', 'event_not_found'],
    ['GET', '/events/:id/attempts', 'event_not_found'],
    ['POST', '/events/:id/resend', 'event_not_found'],
  ])('gets 404 for %s %s of an unknown id', async (method, path, code) => {
    for (const id of [randomUUID(), 'no-id']) {
      const { status, body } = await ask(method, path.replace(':id', id));
      expect([status, body.code]).toEqual([404, code]);
    }
  });
});

it.each(['/v1/admin/endpoints', '/v1/admin/events'])(
  'refuses a key without the scope admin at %s',
  async (path) => {
    expect((await gateway.call('GET', path)).status).toBe(403);
  },
);
