import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventsService } from '../../src/deliveries/events.service.js';
import { createEndpoint, endJob, type TestEndpoint } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

/* The API of endpoints and events. */

let gateway: TestGateway;
let endpoint: TestEndpoint;

const URL = 'https://receiver.example.com/events';

beforeAll(async () => {
  gateway = await startGateway({ ENDPOINTS_PER_SERVICE: '3', DATA_KEYS: `1:${'A'.repeat(43)}=` });
});
afterAll(() => gateway.close());

const create = (body: unknown) => gateway.call('POST', '/v1/endpoints', body);

describe('an endpoint', () => {
  it('is created with defaults and a secret that is shown once', async () => {
    const { status, body, headers } = await create({ url: 'http://127.0.0.1:9/a#fragment' });
    expect(status).toBe(201);
    expect(body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(headers.get('location')).toBe(`/v1/endpoints/${body.id}`);
    const { secret, ...shown } = body;
    expect(shown).toMatchObject({
      url: 'http://127.0.0.1:9/a',
      enabled: true,
      state: 'active',
      eventTypes: null,
      includeResult: false,
      pendingDeliveries: 0,
    });
    const read = await gateway.call('GET', `/v1/endpoints/${body.id}`);
    expect(read.body).toEqual(shown);
    const { rows } = await gateway.pool.query('SELECT secret FROM endpoints WHERE id = $1', [
      body.id,
    ]);
    expect(rows[0].secret).not.toContain(secret);
    await gateway.call('DELETE', `/v1/endpoints/${body.id}`);
  });

  it('does not show the values of its headers, and keeps them encrypted', async () => {
    const { body } = await create({
      url: 'http://127.0.0.1:9/a',
      headers: { Authorization: 'Bearer receiver-secret' },
    });
    expect(body.headerNames).toEqual(['Authorization']);
    const { rows } = await gateway.pool.query('SELECT * FROM endpoints WHERE id = $1', [body.id]);
    expect(JSON.stringify([body, rows, gateway.logs])).not.toContain('receiver-secret');
    await gateway.call('DELETE', `/v1/endpoints/${body.id}`);
  });

  it('is changed in the given fields alone, and null resets a field', async () => {
    const { body: created } = await create({
      url: 'http://127.0.0.1:9/a',
      channels: ['a'],
      description: 'Invoices',
      headers: { 'X-A': '1' },
    });
    const path = `/v1/endpoints/${created.id}`;
    const { body } = await gateway.call('PATCH', path, {
      channels: null,
      eventTypes: ['job.failed', 'job.failed'],
      metadata: { tenant: 'north' },
    });
    expect(body).toMatchObject({
      channels: null,
      eventTypes: ['job.failed'],
      metadata: { tenant: 'north' },
      description: 'Invoices',
      headerNames: ['X-A'],
    });
    await gateway.call('DELETE', path);
    expect((await gateway.call('GET', path)).body.code).toBe('endpoint_not_found');
  });

  it('beyond the limit of a service is refused', async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => create({ url: 'http://127.0.0.1:9/a' })),
    );
    const created = answers.filter(({ status }) => status === 201);
    expect(created).toHaveLength(3);
    const refused = answers.find(({ status }) => status !== 201);
    expect([refused?.status, refused?.body.code]).toEqual([409, 'too_many_endpoints']);
    const { body } = await gateway.call('GET', '/v1/endpoints?limit=2');
    expect(body.endpoints).toHaveLength(2);
    const rest = await gateway.call('GET', `/v1/endpoints?cursor=${body.nextCursor}`);
    expect([rest.body.endpoints.length, rest.body.nextCursor]).toEqual([1, null]);
    for (const one of created) await gateway.call('DELETE', `/v1/endpoints/${one.body.id}`);
  });

  it.each<[string, unknown, string]>([
    ['without a URL', {}, 'url'],
    ['that is no object', [], ''],
    ['with an unknown field', { url: URL, secret: 'whsec_a' }, 'secret'],
    ['with an unknown event type', { url: URL, eventTypes: ['job.done'] }, 'eventTypes.0'],
    ['with an empty list of channels', { url: URL, channels: [] }, 'channels'],
    ['with a channel of other characters', { url: URL, channels: ['a b'] }, 'channels.0'],
    ['with an unknown job type', { url: URL, jobTypes: ['scan'] }, 'jobTypes.0'],
    ['with nested metadata', { url: URL, metadata: { a: { b: 1 } } }, 'metadata.a'],
    ['with a header of the signature', { url: URL, headers: { 'Webhook-Id': 'a' } }, 'headers'],
    ['with a header of the connection', { url: URL, headers: { connection: 'x' } }, 'headers'],
    ['with a line break in a header', { url: URL, headers: { a: 'b\r\nc: d' } }, 'headers'],
    ['with a rate of 0', { url: URL, rateLimitPerSecond: 0 }, 'rateLimitPerSecond'],
    ['with a negative delay', { url: URL, retrySchedule: [5, -1] }, 'retrySchedule.1'],
    ['with too many retries', { url: URL, retrySchedule: Array(21).fill(1) }, 'retrySchedule'],
    ['with NUL in its description', { url: URL, description: 'a\0b' }, 'description'],
    ['with text for a boolean', { url: URL, includeResult: 'yes' }, 'includeResult'],
    ['with a number as URL', { url: 5 }, 'url'],
  ])('%s is refused, and the answer names the field', async (_case, body, path) => {
    const answer = await create(body);
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed']);
    expect(answer.body.errors?.[0]?.path ?? '').toBe(path);
  });

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'https://10.0.0.8/events',
    'ftp://receiver.example.com/',
    'https://user:password@receiver.example.com/',
  ])('at %s is refused', async (url) => {
    const answer = await create({ url });
    expect([answer.status, answer.body.code]).toEqual([422, 'endpoint_address_refused']);
  });

  it('cannot move to an address that is refused', async () => {
    const { body } = await create({ url: 'http://127.0.0.1:9/a' });
    const path = `/v1/endpoints/${body.id}`;
    const answer = await gateway.call('PATCH', path, { url: 'http://169.254.169.254/' });
    expect(answer.body.code).toBe('endpoint_address_refused');
    expect((await gateway.call('GET', path)).body.url).toBe('http://127.0.0.1:9/a');
    await gateway.call('DELETE', path);
  });

  it('that is disabled cannot be tested', async () => {
    const { body } = await create({ url: 'http://127.0.0.1:9/a', enabled: false });
    const answer = await gateway.call('POST', `/v1/endpoints/${body.id}/test`);
    expect([answer.status, answer.body.code]).toEqual([409, 'endpoint_disabled']);
    await gateway.call('DELETE', `/v1/endpoints/${body.id}`);
  });
});

describe('events', () => {
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    endpoint = await createEndpoint(gateway, undefined, {}, 'orders', (close) =>
      closers.push(close),
    );
  });
  afterAll(() => Promise.all(closers.map((close) => close())));

  const ids = async (query: string): Promise<string[]> =>
    (await endpoint.call('GET', `/v1/events?${query}`)).body.events.map(
      ({ id }: { id: string }) => id,
    );

  it('are listed newest first in pages, and oldest first in a feed', async () => {
    const { service } = endpoint;
    for (let n = 1; n <= 5; n++) {
      await endJob(gateway, service);
      await eventually('the event', async () =>
        (await ids('after=0')).length === n ? true : undefined,
      );
    }
    const feed = await ids('after=0');
    expect(await ids('limit=200')).toEqual(feed.toReversed());
    const first = await endpoint.call('GET', '/v1/events?limit=3');
    const rest = await endpoint.call('GET', `/v1/events?limit=3&cursor=${first.body.nextCursor}`);
    expect([first.body.events.length, rest.body.events.length]).toEqual([3, 2]);
    expect(rest.body.nextCursor).toBeNull();
    const part = await endpoint.call('GET', `/v1/events?after=0&limit=2`);
    expect(await ids(`after=${part.body.nextCursor}`)).toEqual(feed.slice(2));
    const end = await endpoint.call('GET', `/v1/events?after=${feed.at(-1)}`);
    expect(end.body).toEqual({ events: [], nextCursor: feed.at(-1) });
  });

  it('reach a feed that waits', async () => {
    const last = (await ids('limit=1'))[0] ?? '0';
    const waiting = endpoint.call('GET', `/v1/events?after=${last}&wait=20`);
    const jobId = await endJob(gateway, endpoint.service);
    const { body } = await waiting;
    expect(body.events).toHaveLength(1);
    expect(body.events[0]).toMatchObject({ type: 'job.failed', jobId });
    expect(body.nextCursor).toBe(body.events[0].id);
  });

  it('of other services do not end the wait of a feed', async () => {
    const last = (await ids('limit=1'))[0] ?? '0';
    const waiting = endpoint.call('GET', `/v1/events?after=${last}&wait=1`);
    await endJob(gateway, 'somebody-else');
    expect((await waiting).body).toEqual({ events: [], nextCursor: last });
  });

  it('can be filtered by job, endpoint, type, and status', async () => {
    const [newest] = (await endpoint.call('GET', '/v1/events?limit=1')).body.events;
    expect(await ids(`jobId=${newest.jobId}`)).toEqual([newest.id]);
    expect(await ids('type=job.completed')).toEqual([]);
    expect(await ids(`endpointId=${endpoint.id}&status=delivered&limit=200`)).toEqual(
      await ids('status=delivered&limit=200'),
    );
    expect(await ids('status=failed')).toEqual([]);
  });

  it('of all services are listed for admins by the same pages', async () => {
    const events = gateway.app.get(EventsService, { strict: false });
    const idsOf = (found: readonly { id: string }[]): string[] => found.map(({ id }) => id);
    const all = idsOf(await events.list(null, {}, {}, 200));
    expect(all).toEqual(all.toSorted().toReversed());
    expect(all).toEqual(expect.arrayContaining(await ids('limit=200')));
    const page = { before: all[1] };
    expect(idsOf(await events.list(null, {}, page, 200))).toEqual(all.slice(2));
    const after = all[1] ?? '';
    expect(idsOf(await events.list(null, {}, { after }, 200))).toEqual(all.slice(0, 1));
    expect(await events.get(null, after)).toMatchObject({ id: after });
  });

  it('are read with their body', async () => {
    const [newest] = (await endpoint.call('GET', '/v1/events?limit=1')).body.events;
    const { body } = await endpoint.call('GET', `/v1/events/${newest.id}`);
    expect(body).toMatchObject({
      id: newest.id,
      body: { type: 'job.failed', data: { id: newest.jobId, error: { code: 'failed_upstream' } } },
    });
  });

  it('are in the timeline of their job with each attempt', async () => {
    const [newest] = (await endpoint.call('GET', '/v1/events?limit=1')).body.events;
    await eventually('the delivery', async () =>
      (await ids('status=delivered&limit=1'))[0] === newest.id ? true : undefined,
    );
    const { body } = await endpoint.call('GET', `/v1/jobs/${newest.jobId}/events`);
    expect(body.events.at(-1)).toMatchObject({
      type: 'event_delivered',
      detail: { eventId: newest.id, endpointId: endpoint.id, attempt: 1, status: 204 },
    });
  });

  it('that an endpoint has not received are cancelled when it is deleted', async () => {
    const other = await createEndpoint(gateway, () => undefined, {}, endpoint.service);
    await endJob(gateway, endpoint.service);
    await other.requests(1);
    await other.call('DELETE', `/v1/endpoints/${other.id}`);
    const cancelled = await endpoint.call('GET', `/v1/events?status=cancelled`);
    expect(cancelled.body.events).toHaveLength(1);
    const { deliveries } = cancelled.body.events[0];
    expect(
      deliveries.find(({ endpointId }: { endpointId: string }) => endpointId === other.id),
    ).toMatchObject({ status: 'cancelled', nextAttemptAt: null });
  });

  it.each([
    'after=x',
    'after=1',
    'wait=5',
    'cursor=5',
    'limit=0',
    'after=0&wait=61',
    'status=done',
  ])('are not listed with ?%s', async (query) => {
    const { status, body } = await endpoint.call('GET', `/v1/events?${query}`);
    expect([status, body.code]).toEqual([422, 'invalid_query']);
  });
});
