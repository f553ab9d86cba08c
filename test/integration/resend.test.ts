import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { laneOf, retryLaneOf } from '../../src/deliveries/delivering/delivery-lane.js';
import { createEndpoint, endJob, type TestEndpoint } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => void (gateway = await startGateway()));
afterAll(() => gateway.close());

/** Waits until the newest event of the service is delivered, and returns its id. */
const deliveredEvent = (endpoint: TestEndpoint): Promise<string> =>
  eventually('the delivery', async () => {
    const { body } = await endpoint.call('GET', '/v1/events?limit=1');
    const [event] = body.events;
    return event?.deliveries[0]?.status === 'delivered' ? event.id : undefined;
  });

describe('a resend', () => {
  it('sends the event again with its id', async () => {
    const endpoint = await createEndpoint(gateway);
    await endJob(gateway, endpoint.service);
    const eventId = await deliveredEvent(endpoint);
    const { status, body } = await endpoint.call('POST', `/v1/events/${eventId}/resend`, {});
    expect([status, body.endpointIds]).toEqual([202, [endpoint.id]]);
    await endpoint.requests(2);
    expect(endpoint.received()).toEqual([eventId, eventId]);
  });

  it('goes to an endpoint that was made later', async () => {
    const one = await createEndpoint(gateway);
    await endJob(gateway, one.service);
    const eventId = await deliveredEvent(one);
    const other = await createEndpoint(gateway, undefined, {}, one.service);
    await one.call('POST', `/v1/events/${eventId}/resend`, { endpointId: other.id });
    await other.requests(1);
    expect(other.received()).toEqual([eventId]);
    expect(one.received()).toHaveLength(1);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['event types', { eventTypes: ['job.completed'] }, 'job.failed'],
    ['job types', { jobTypes: ['extract'] }, 'job.failed'],
    ['channels', { channels: ['finance'] }, 'job.failed'],
    ['metadata', { metadata: { tenant: 'north' } }, 'job.failed'],
    ['an endpoint alone, which is tested', {}, 'endpoint.test'],
  ])('is refused for an endpoint that %s exclude', async (_what, settings, type) => {
    const one = await createEndpoint(gateway);
    await endJob(gateway, one.service, { metadata: { tenant: 'south' } });
    await one.call('POST', `/v1/endpoints/${one.id}/test`);
    await one.requests(2);
    const other = await createEndpoint(gateway, undefined, settings, one.service);
    const { body } = await one.call('GET', `/v1/events?type=${type}`);
    const path = `/v1/events/${body.events[0].id}/resend`;
    const refused = await one.call('POST', path, { endpointId: other.id });
    expect([refused.status, refused.body.code]).toEqual([409, 'event_not_for_endpoint']);
    expect(other.received()).toEqual([]);
  });
});

describe('a resend of a direct webhook', () => {
  let api: TestGateway;
  // Nothing is sent.
  beforeAll(async () => void (api = await startGateway({ ROLES: 'api' })));
  afterAll(() => api.close());

  const URL_OF_WEBHOOK = 'https://receiver.example.com/hooks/invoices';

  /** Sends an event of a job again to the endpoint of its webhook, which was made again. Returns the delivery. */
  async function resend(): Promise<{ lane: number; seconds: number }> {
    const { rows } = await api.pool.query<{ event: string; endpoint: string }>(
      `WITH job AS (
         INSERT INTO jobs (id, service, type, status, ended_at, webhook_url)
         VALUES ($1, 'invoices', 'parse', 'failed', now(), $2) RETURNING id),
       made AS (
         INSERT INTO endpoints (id, service, url, for_jobs, secret)
         VALUES (gen_random_uuid(), 'invoices', 'https://receiver.example.com/', true, 'plain:whsec_a')
         ON CONFLICT (service, url) WHERE for_jobs DO UPDATE SET enabled = true RETURNING id),
       event AS (
         INSERT INTO events (id, service, type, job_id, body)
         SELECT new_event_id(), 'invoices', 'job.failed', id, '{}' FROM job RETURNING id)
       SELECT event.id AS event, made.id AS endpoint FROM event, made`,
      [randomUUID(), URL_OF_WEBHOOK],
    );
    const { event, endpoint } = rows[0] ?? {};
    const path = `/v1/events/${event}/resend`;
    expect((await api.call('POST', path, { endpointId: endpoint })).status).toBe(202);
    const { rows: deliveries } = await api.pool.query(
      `SELECT lane, extract(epoch FROM now() - next_attempt_at)::float8 AS seconds FROM deliveries
        WHERE event_id = $1 AND endpoint_id = $2`,
      [event, endpoint],
    );
    return deliveries[0];
  }

  it('goes to the lane of the retries to its URL', async () => {
    expect((await resend()).lane).toBe(retryLaneOf(laneOf(URL_OF_WEBHOOK)));
  });

  it('waits behind what has been due for longer', async () => {
    expect((await resend()).seconds).toBeLessThan(3600);
  });
});
