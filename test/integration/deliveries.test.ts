import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint, endJob, passTime } from '../support/endpoints.js';
import { AlertsService } from '../../src/alerts/alerts.service.js';
import { eventually, startGateway, type Answer, type TestGateway } from '../support/gateway.js';
import { answer, type Receive } from '../support/receiver.js';

/* Events go from the end of a job to real receivers over TCP. */

let gateway: TestGateway;

beforeAll(async () => void (gateway = await startGateway({ DELIVERY_TIMEOUT_SECONDS: '2' })));
afterAll(() => gateway.close());

const answering =
  (status: string, headers: Record<string, string> = {}): Receive =>
  (socket) =>
    void socket.write(answer(status, 'no', headers));

interface Endpoint {
  readonly id: string;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
}

/** Waits until the newest event of the service has a delivery that `isDone` accepts. */
const delivery = (
  endpoint: Endpoint,
  isDone: (one: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> =>
  eventually('the delivery', async () => {
    const { body } = await endpoint.call('GET', '/v1/events?limit=1');
    const [one] = body.events[0]?.deliveries ?? [];
    return one !== undefined && isDone(one) ? { eventId: body.events[0].id, ...one } : undefined;
  });

const afterAttempt = (n: number) => (one: Record<string, unknown>) => one['attempts'] === n;

describe('an event', () => {
  it('arrives signed when a job completes', async () => {
    const endpoint = await createEndpoint(gateway);
    const submitted = await endpoint.call('POST', '/v1/jobs', {
      type: 'parse',
      input: 'https://example.com/a.pdf',
      metadata: { invoice: 815 },
    });
    const [request] = await endpoint.requests(1);
    const headers = request?.headers ?? {};
    expect(new Webhook(endpoint.secret).verify(request?.body ?? '', headers)).toMatchObject({
      type: 'job.completed',
      data: { id: submitted.body.id, status: 'completed', metadata: { invoice: 815 }, error: null },
    });
    const delivered = await delivery(endpoint, ({ status }) => status === 'delivered');
    expect(headers['webhook-id']).toBe(delivered['eventId']);
    expect(endpoint.received()).toHaveLength(1);
  });

  it('of a cancelled job arrives as job.cancelled', async () => {
    const endpoint = await createEndpoint(gateway, undefined, { eventTypes: ['job.cancelled'] });
    const { body } = await endpoint.call('POST', '/v1/jobs', {
      type: 'parse',
      input: 'https://example.com/a.pdf',
      sim: { runMs: 600_000 },
    });
    await endpoint.call('POST', `/v1/jobs/${body.id}/cancel`);
    const [request] = await endpoint.requests(1);
    expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({
      type: 'job.cancelled',
      data: { id: body.id, error: { code: 'cancelled' } },
    });
  });

  it('goes to every endpoint of its service with one id', async () => {
    const one = await createEndpoint(gateway);
    const other = await createEndpoint(gateway, undefined, {}, one.service);
    const ofOtherService = await createEndpoint(gateway);
    await endJob(gateway, one.service);
    await one.requests(1);
    await other.requests(1);
    expect(one.received()).toEqual(other.received());
    expect(ofOtherService.received()).toEqual([]);
  });

  it('goes only to endpoints whose filters it passes', async () => {
    const all = await createEndpoint(gateway);
    const { service } = all;
    const filtered = {
      channel: await createEndpoint(gateway, undefined, { channels: ['a', 'b'] }, service),
      otherChannel: await createEndpoint(gateway, undefined, { channels: ['c'] }, service),
      type: await createEndpoint(gateway, undefined, { jobTypes: ['extract'] }, service),
      otherType: await createEndpoint(gateway, undefined, { jobTypes: ['parse'] }, service),
      metadata: await createEndpoint(gateway, undefined, { metadata: { n: 1, t: 'x' } }, service),
      otherMetadata: await createEndpoint(gateway, undefined, { metadata: { n: '1' } }, service),
      event: await createEndpoint(gateway, undefined, { eventTypes: ['job.failed'] }, service),
      otherEvent: await createEndpoint(
        gateway,
        undefined,
        { eventTypes: ['job.expired'] },
        service,
      ),
    };
    await endJob(gateway, service, {
      type: 'extract',
      channels: ['b', 'd'],
      metadata: { n: 1, t: 'x', more: { of: 'it' } },
    });
    await all.requests(1);
    const { body } = await all.call('GET', '/v1/events');
    const receivers = body.events[0].deliveries.map(
      (one: { endpointId: string }) => one.endpointId,
    );
    const { channel, type, metadata, event } = filtered;
    expect(receivers.toSorted()).toEqual(
      [all.id, channel.id, type.id, metadata.id, event.id].toSorted(),
    );
  });

  it('carries the headers svix-* and those of the endpoint where it asks for them', async () => {
    const endpoint = await createEndpoint(gateway, undefined, {
      svixHeaders: true,
      headers: { 'X-Tenant': 'north', authorization: 'Bearer receiver' },
    });
    await endJob(gateway, endpoint.service);
    const [request] = await endpoint.requests(1);
    expect(request?.headers).toMatchObject({
      'svix-id': request?.headers['webhook-id'],
      'svix-signature': request?.headers['webhook-signature'],
      'x-tenant': 'north',
      authorization: 'Bearer receiver',
    });
  });

  it('contains the result where the endpoint asks for it', async () => {
    const endpoint = await createEndpoint(gateway, undefined, { includeResult: true });
    const { body: job } = await endpoint.call('POST', '/v1/jobs', {
      type: 'parse',
      input: 'https://example.com/a.pdf',
    });
    const [request] = await endpoint.requests(1);
    const result = await endpoint.call('GET', `/v1/jobs/${job.id}/result`);
    expect(JSON.parse(request?.body.toString() ?? '').data.result).toEqual(result.body);
  });

  it('names a result that is too large to be sent', async () => {
    const endpoint = await createEndpoint(gateway, undefined, { includeResult: true });
    await endpoint.call('POST', '/v1/jobs', {
      type: 'parse',
      input: 'https://example.com/a.pdf',
      sim: { resultBytes: 300_000 },
    });
    const [request] = await endpoint.requests(1);
    const { data } = JSON.parse(request?.body.toString() ?? '');
    expect([data.resultOmitted, data.result]).toEqual(['too_large', undefined]);
  });
});

describe('a failed attempt', () => {
  it('is repeated on the schedule with the same id and body until the last one', async () => {
    const endpoint = await createEndpoint(gateway, answering('500 Broken'));
    await endJob(gateway, endpoint.service);
    const waits = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
    for (const [n, seconds] of waits.entries()) {
      await delivery(endpoint, afterAttempt(n + 1));
      const { rows } = await gateway.pool.query(
        `SELECT extract(epoch FROM next_attempt_at - (SELECT max(at) FROM delivery_attempts WHERE endpoint_id = $1))::float8
                AS wait FROM deliveries WHERE endpoint_id = $1`,
        [endpoint.id],
      );
      expect(rows[0].wait).toBeGreaterThan(seconds * 0.999);
      expect(rows[0].wait).toBeLessThan(seconds * 1.1 + 2);
      await passTime(gateway, endpoint.id);
    }
    const { status, nextAttemptAt } = await delivery(endpoint, afterAttempt(8));
    expect([status, nextAttemptAt]).toEqual(['failed', null]);
    expect(new Set(endpoint.received()).size).toBe(1);
    expect(new Set(endpoint.receiver.requests.map(({ body }) => body.toString())).size).toBe(1);
  });

  it('follows the schedule of the endpoint', async () => {
    const endpoint = await createEndpoint(gateway, answering('500 Broken'), {
      retrySchedule: [0.01, 0.01],
    });
    await endJob(gateway, endpoint.service);
    const { status } = await delivery(endpoint, afterAttempt(3));
    expect(status).toBe('failed');
  });

  it.each<[string, Receive, string]>([
    [
      'a redirect',
      answering('302 Found', { location: 'http://127.0.0.1:1/' }),
      'redirects are not followed',
    ],
    ['a reset', (socket) => void socket.resetAndDestroy(), 'reset the connection'],
    ['garbage', (socket) => void socket.end('garbage\r\n\r\n'), 'valid HTTP'],
    ['a closed connection', (socket) => void socket.end(), 'closed the connection'],
  ])('by %s is recorded with its reason', async (_case, receive, reason) => {
    const endpoint = await createEndpoint(gateway, receive);
    await endJob(gateway, endpoint.service);
    const { eventId } = await delivery(endpoint, afterAttempt(1));
    const { body } = await endpoint.call('GET', `/v1/events/${String(eventId)}/attempts`);
    expect(body.attempts).toHaveLength(1);
    expect(body.attempts[0]).toMatchObject({ endpointId: endpoint.id, attempt: 1 });
    expect(body.attempts[0].error).toContain(reason);
  });

  it('by a receiver that hangs ends at the timeout', async () => {
    const endpoint = await createEndpoint(gateway, () => undefined);
    await endJob(gateway, endpoint.service);
    const { eventId } = await delivery(endpoint, afterAttempt(1));
    const { body } = await endpoint.call('GET', `/v1/events/${String(eventId)}/attempts`);
    expect(body.attempts[0].error).toContain('in time');
  });

  it('waits for the Retry-After of the receiver', async () => {
    const endpoint = await createEndpoint(
      gateway,
      answering('503 Busy', { 'retry-after': '1000' }),
    );
    await endJob(gateway, endpoint.service);
    const { nextAttemptAt } = await delivery(endpoint, afterAttempt(1));
    const seconds = (Date.parse(String(nextAttemptAt)) - Date.now()) / 1000;
    expect(seconds).toBeGreaterThan(900);
    expect(seconds).toBeLessThan(1001);
    const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
    expect(body.state).toBe('failing');
    expect(body.pausedUntil).not.toBeNull();
  });

  it('stores the answer without credentials', async () => {
    const endpoint = await createEndpoint(
      gateway,
      answering('500 Broken', { 'set-cookie': 'session=hunter2hunter2', 'x-build': '7' }),
    );
    await endJob(gateway, endpoint.service);
    const { eventId } = await delivery(endpoint, afterAttempt(1));
    const { body } = await endpoint.call('GET', `/v1/events/${String(eventId)}/attempts`);
    expect(JSON.stringify(body)).not.toContain('hunter2');
    expect(body.attempts[0]).toMatchObject({ status: 500, responseBody: 'no' });
    expect(body.attempts[0].responseHeaders['x-build']).toBe('7');
  });
});

describe('an endpoint', () => {
  it('that answers 410 is disabled, and its events wait', async () => {
    const endpoint = await createEndpoint(gateway, answering('410 Gone'));
    const other = await createEndpoint(gateway, undefined, {}, endpoint.service);
    await endJob(gateway, endpoint.service);
    const state = await eventually('the endpoint is disabled', async () => {
      const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
      return body.enabled === false ? body : undefined;
    });
    expect(state).toMatchObject({ state: 'disabled', disabledReason: 'gone' });
    await other.requests(2);
    const types = other.receiver.requests.map(({ body }) => JSON.parse(body.toString()).type);
    expect(types).toEqual(['job.failed', 'endpoint.disabled']);
    await endJob(gateway, endpoint.service);
    await other.requests(3);
    expect(endpoint.received()).toHaveLength(1);
  });

  it('that fails for five days is disabled, and recovery sends each event once with its id', async () => {
    let works = false;
    const endpoint = await createEndpoint(gateway, (socket) => {
      socket.write(answer(works ? '204 No Content' : '500 Broken'));
    });
    await endJob(gateway, endpoint.service);
    await delivery(endpoint, afterAttempt(1));
    await gateway.pool.query(
      `UPDATE endpoints SET failing_since = now() - interval '121 hours' WHERE id = $1`,
      [endpoint.id],
    );
    await passTime(gateway, endpoint.id);
    await eventually('the endpoint is disabled', async () => {
      const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
      return body.disabledReason === 'failing' ? body : undefined;
    });
    await eventually('the log', () =>
      gateway.logs.some((line) => line.includes('endpoint disabled')) ? true : undefined,
    );
    await gateway.app.get(AlertsService, { strict: false }).sweep();
    const { rows: alerts } = await gateway.pool.query(
      `SELECT message FROM alerts WHERE kind = 'endpoint_disabled' AND closed_at IS NULL`,
    );
    expect(alerts[0].message).toContain(endpoint.service);
    for (let n = 0; n < 3; n++) await endJob(gateway, endpoint.service);
    const listed = await eventually('all events', async () => {
      const { body } = await endpoint.call('GET', '/v1/events?after=0');
      return body.events.length === 5 ? body.events : undefined;
    });
    const ids = listed
      .filter(({ type }: { type: string }) => type === 'job.failed')
      .map(({ id }: { id: string }) => id);
    works = true;
    const before = endpoint.received().length;
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const recover = `/v1/endpoints/${endpoint.id}/recover`;
    const dry = await endpoint.call('POST', recover, { since, dryRun: true });
    expect(dry.body).toEqual({ deliveries: 4, dryRun: true });
    expect((await endpoint.call('POST', recover, { since })).body).toEqual({
      deliveries: 4,
      dryRun: false,
    });
    await endpoint.requests(before + 4);
    await eventually('nothing waits', async () => {
      const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
      return body.pendingDeliveries === 0 && body.state === 'active' ? body : undefined;
    });
    expect(endpoint.received().slice(before).toSorted()).toEqual(ids.toSorted());
  });

  it('that is enabled again gets what it has missed', async () => {
    const endpoint = await createEndpoint(gateway);
    const path = `/v1/endpoints/${endpoint.id}`;
    await endpoint.call('PATCH', path, { enabled: false });
    const jobs = [await endJob(gateway, endpoint.service), await endJob(gateway, endpoint.service)];
    await eventually('the events', async () => {
      const { body } = await endpoint.call('GET', '/v1/events');
      return body.events.length === 2 ? body : undefined;
    });
    expect(endpoint.received()).toEqual([]);
    await endpoint.call('PATCH', path, { enabled: true });
    const requests = await endpoint.requests(2);
    const got = requests.map(({ body }) => JSON.parse(body.toString()).data.id);
    expect(new Set(got)).toEqual(new Set(jobs));
  });

  it('that moves to another URL gets what waits for the end of a pause of the old one', async () => {
    const paused = answering('503 Busy', { 'retry-after': '300' });
    const endpoint = await createEndpoint(gateway, paused);
    const other = await createEndpoint(gateway, undefined, {}, endpoint.service);
    await endJob(gateway, endpoint.service);
    await eventually('the pause', async () => {
      const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
      return body.pausedUntil ?? undefined;
    });
    const jobId = await endJob(gateway, endpoint.service);
    await other.requests(2);
    const next = await createEndpoint(gateway);
    await endpoint.call('PATCH', `/v1/endpoints/${endpoint.id}`, { url: next.receiver.url });
    const [request] = await next.requests(1);
    expect(JSON.parse(request?.body.toString() ?? '').data.id).toBe(jobId);
  });

  it('gets a test event by the way of all events', async () => {
    const endpoint = await createEndpoint(gateway);
    const { status, body } = await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/test`);
    expect(status).toBe(202);
    const [request] = await endpoint.requests(1);
    expect(request?.headers['webhook-id']).toBe(body.eventId);
    expect(
      new Webhook(endpoint.secret).verify(request?.body ?? '', request?.headers ?? {}),
    ).toMatchObject({ type: 'endpoint.test' });
  });

  it('gets signatures of both secrets during a rotation, and of the new one after it', async () => {
    const endpoint = await createEndpoint(gateway);
    const rotated = await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/rotate-secret`, {
      overlapSeconds: 600,
    });
    const { secret } = rotated.body;
    expect(secret).not.toBe(endpoint.secret);
    await endJob(gateway, endpoint.service);
    const [request] = await endpoint.requests(1);
    for (const one of [secret, endpoint.secret]) {
      new Webhook(one).verify(request?.body ?? '', request?.headers ?? {});
    }
    await gateway.pool.query(`UPDATE endpoints SET previous_secret_until = now() WHERE id = $1`, [
      endpoint.id,
    ]);
    await endJob(gateway, endpoint.service);
    const [, later] = await endpoint.requests(2);
    new Webhook(secret).verify(later?.body ?? '', later?.headers ?? {});
    expect(() =>
      new Webhook(endpoint.secret).verify(later?.body ?? '', later?.headers ?? {}),
    ).toThrow('No matching signature');
  });

  it('gets no more requests per second than its rate limit', async () => {
    const times: number[] = [];
    const endpoint = await createEndpoint(
      gateway,
      (socket) => {
        times.push(performance.now());
        socket.write(answer('204 No Content'));
      },
      { rateLimitPerSecond: 20 },
    );
    await Promise.all(Array.from({ length: 30 }, () => endJob(gateway, endpoint.service)));
    await endpoint.requests(30);
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
    // A burst of two, then one every 50 ms.
    expect(seconds).toBeGreaterThan(1.2);
  });
});

it('a dead endpoint does not delay the events of the others', async () => {
  const dead = await createEndpoint(gateway, () => undefined);
  const jobs = Array.from({ length: 60 }, () => endJob(gateway, dead.service));
  await Promise.all(jobs);
  await dead.requests(1);
  const alive = await createEndpoint(gateway);
  const begin = performance.now();
  for (let n = 1; n <= 20; n++) {
    await endJob(gateway, alive.service);
    await alive.requests(n);
  }
  // Each would wait for the timeout of a request, 2 s.
  expect((performance.now() - begin) / 20).toBeLessThan(1500);
  // An endpoint that has not answered yet gets few requests at a time, and then the circuit breaker opens.
  expect(dead.receiver.requests.length).toBeLessThanOrEqual(8);
});
