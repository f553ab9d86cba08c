import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EventsService, type EventPage } from '../../src/deliveries/events.service.js';
import { createEndpoint, endJob, type TestEndpoint } from '../support/endpoints.js';
import { eventually, startGateway, type Answer, type TestGateway } from '../support/gateway.js';

/* The API of endpoints and events. */

let gateway: TestGateway;
let endpoint: TestEndpoint;

const URL = 'https://receiver.example.com/events';

beforeAll(async () => {
  gateway = await startGateway({ ENDPOINTS_PER_SERVICE: '3', DATA_KEYS: `1:${'A'.repeat(43)}=` });
});
afterAll(() => gateway.close());

/** `body`: a value, or JSON text. */
const create = (body: unknown) =>
  gateway.call('POST', '/v1/endpoints', body, { 'content-type': 'application/json' });

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
    ['with a number that loses digits', { url: URL, metadata: { n: 2 ** 53 } }, 'metadata.n'],
    ['with a number beyond all doubles', `{"url":"${URL}","metadata":{"n":1e400}}`, 'metadata.n'],
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
    const idsOf = (page: EventPage): string[] => page.events.map(({ id }) => id);
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

  describe('behind a long stretch of events that do not match', () => {
    const service = 'stretch';
    const STRETCH = 12_000;
    let last: string;
    let hook: TestEndpoint;
    const call = (method: string, path: string): Promise<Answer> => hook.call(method, path);

    beforeAll(async () => {
      hook = await createEndpoint(gateway, undefined, {}, service, (close) => closers.push(close));
      await gateway.pool.query(
        `INSERT INTO events (id, service, type, body)
         SELECT new_event_id(), $1, 'job.completed', '{}' FROM generate_series(1, $2)`,
        [service, STRETCH],
      );
      const jobId = await endJob(gateway, service);
      last = await eventually('the delivery of the last event', async () => {
        const { rows } = await gateway.pool.query<{ id: string }>(
          `SELECT id FROM events JOIN deliveries ON event_id = id
            WHERE job_id = $1 AND deliveries.status = 'delivered'`,
          [jobId],
        );
        return rows[0]?.id;
      });
    });

    it('are found by a feed without wait that follows nextCursor', async () => {
      const cursors = ['0'];
      for (;;) {
        const path = `/v1/events?status=delivered&after=${cursors.at(-1)}`;
        const { body } = await call('GET', path);
        cursors.push(body.nextCursor);
        if (body.events.length === 0) continue;
        expect(body.events.map(({ id }: { id: string }) => id)).toEqual([last]);
        break;
      }
      expect(cursors).toEqual([...new Set(cursors)].toSorted());
      expect(cursors.length - 1).toBe(Math.ceil(STRETCH / 5000));
    });

    it('are found by one request of a feed that waits', async () => {
      const { body } = await call('GET', '/v1/events?status=delivered&after=0&wait=30');
      expect(body.events.map(({ id }: { id: string }) => id)).toEqual([last]);
    });

    it.each(['status=pending', 'type=job.completed&status=failed', 'type=job.expired'])(
      'leave the cursor of a feed with ?%s at the last event, although none matches',
      async (filter) => {
        const { body } = await call('GET', `/v1/events?${filter}&after=0&wait=1`);
        expect(body).toEqual({ events: [], nextCursor: last });
      },
    );

    it('are in pages whose nextCursor leads through all events, newest first', async () => {
      const deliver = `INSERT INTO deliveries (event_id, endpoint_id, status)
        SELECT id, gen_random_uuid(), 'failed' FROM events WHERE service = $1 ORDER BY id LIMIT 1 RETURNING event_id AS id`;
      const { rows } = await gateway.pool.query<{ id: string }>(deliver, [service]);
      const admin = { authorization: `Bearer ${await gateway.newKey('platform', ['admin'])}` };
      for (const read of [
        (cursor: string) => call('GET', `/v1/events?status=failed${cursor}`),
        (cursor: string) =>
          gateway.call(
            'GET',
            `/v1/admin/events?service=${service}&status=failed${cursor}`,
            undefined,
            admin,
          ),
      ]) {
        const pages: string[][] = [];
        for (let cursor: string | null = ''; cursor !== null;) {
          const { body }: Answer = await read(cursor === '' ? '' : `&cursor=${cursor}`);
          pages.push(body.events.map(({ id }: { id: string }) => id));
          cursor = body.nextCursor;
        }
        expect(pages).toEqual([[], [], [rows[0]?.id]]);
      }
    });

    it('of a rare type are found by one request', async () => {
      for (const query of [`type=job.failed`, `type=job.failed&after=0`]) {
        const { body } = await call('GET', `/v1/events?${query}`);
        expect(body.events.map(({ id }: { id: string }) => id)).toEqual([last]);
      }
    });
  });

  it('continue after and before an event that was deleted meanwhile', async () => {
    const made = await gateway.pool.query<{ id: string }>(
      `INSERT INTO events (id, service, type, body)
       SELECT new_event_id(), 'gaps', 'job.completed', '{}' FROM generate_series(1, 3) RETURNING id`,
    );
    const [first, second, third] = made.rows.map(({ id }) => id);
    await gateway.pool.query('DELETE FROM events WHERE id = $1', [second]);
    const headers = { authorization: `Bearer ${await gateway.newKey('gaps')}` };
    for (const [query, id] of [
      [`after=${second}`, third],
      [`after=${second?.toUpperCase()}`, third],
      [`cursor=${second}`, first],
    ]) {
      const { body } = await gateway.call('GET', `/v1/events?${query}`, undefined, headers);
      expect(body.events.map((event: { id: string }) => event.id)).toEqual([id]);
    }
  });

  it('that failed are found in all services by one request of an admin', async () => {
    const event = await gateway.pool.query<{ id: string }>(
      `INSERT INTO events (id, service, type, body) VALUES (new_event_id(), 'early', 'job.completed', '{}') RETURNING id`,
    );
    const id = event.rows[0]?.id;
    await gateway.pool.query(
      `INSERT INTO deliveries (event_id, endpoint_id, status)
       SELECT $1, gen_random_uuid(), 'failed' FROM generate_series(1, 2)`,
      [id],
    );
    await gateway.pool.query(
      `INSERT INTO events (id, service, type, body)
       SELECT new_event_id(), 'later', 'job.completed', '{}' FROM generate_series(1, 5000)`,
    );
    const admin = { authorization: `Bearer ${await gateway.newKey('platform', ['admin'])}` };
    const path = '/v1/admin/events?status=failed&limit=1';
    const { body } = await gateway.call('GET', path, undefined, admin);
    expect(body.events.map((found: { id: string }) => found.id)).toEqual([id]);
  });

  it('that failed are found by their endpoint, and only by its service', async () => {
    const endpointId = randomUUID();
    await gateway.pool.query(
      `WITH event AS (
         INSERT INTO events (id, service, type, body)
         SELECT new_event_id(), 'failures', 'job.completed', '{}' FROM generate_series(1, 3) RETURNING id)
       INSERT INTO deliveries (event_id, endpoint_id, status) SELECT id, $1, 'failed' FROM event`,
      [endpointId],
    );
    const query = `endpointId=${endpointId}&status=failed&limit=2`;
    const counts = async (service: string) => {
      const headers = { authorization: `Bearer ${await gateway.newKey(service)}` };
      const first = await gateway.call('GET', `/v1/events?${query}`, undefined, headers);
      const path = `/v1/events?${query}&cursor=${first.body.nextCursor ?? randomUUID()}`;
      const next = await gateway.call('GET', path, undefined, headers);
      return [first, next].map(({ body }) => [body.events.length, body.nextCursor === null]);
    };
    expect(await counts('failures')).toEqual([
      [2, false],
      [1, true],
    ]);
    expect(await counts('somebody-else')).toEqual([
      [0, true],
      [0, true],
    ]);
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
