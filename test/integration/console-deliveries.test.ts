import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consoleUser, type ConsoleUser } from '../support/console.js';
import { createEndpoint, endJob, passTime, type TestEndpoint } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { answer, type Receive } from '../support/receiver.js';

let gateway: TestGateway;
let user: ConsoleUser;

beforeAll(async () => {
  gateway = await startGateway();
  user = await consoleUser(gateway);
});
afterAll(() => gateway.close());

const failing: Receive = (socket) =>
  void socket.write(answer('500 Internal Server Error', '<h1>out of\norder</h1>'));
const gone: Receive = (socket) => void socket.write(answer('410 Gone'));

/** The page until it contains `text`. */
const pageWith = (path: string, text: string): Promise<string> =>
  eventually(`“${text}” in ${path}`, async () => {
    const { body } = await user.get(path);
    return String(body).includes(text) ? String(body) : undefined;
  });

const eventOf = (endpoint: TestEndpoint, status: string): Promise<string> =>
  eventually(`an event that is ${status}`, async () => {
    const { body } = await endpoint.call(
      'GET',
      `/v1/events?endpointId=${endpoint.id}&status=${status}`,
    );
    return body.events[0]?.id as string | undefined;
  });

async function disabledEndpoint(): Promise<TestEndpoint> {
  const endpoint = await createEndpoint(gateway, gone);
  await endJob(gateway, endpoint.service);
  await pageWith(`/admin/endpoints/${endpoint.id}`, 'it answered 410 (Gone)');
  return endpoint;
}

describe('the console', () => {
  it('lists endpoints by state with the number of each state', async () => {
    const { service, id } = await disabledEndpoint();
    const list = `/admin/endpoints?service=${service}`;
    const { body } = await user.get(`${list}&state=disabled`);
    expect(String(body)).toContain(`/admin/endpoints/${id}`);
    expect(String(body)).toMatch(/disabled <b>1<\/b>/);
    expect(String((await user.get(`${list}&state=active`)).body)).toContain('No endpoint matches.');
  });

  it('says why an endpoint is disabled, and enables it', async () => {
    const endpoint = await disabledEndpoint();
    const { status, headers } = await user.post(`/admin/endpoints/${endpoint.id}/enable`);
    const location = headers.get('location') ?? '';
    expect([status, location]).toEqual([303, `/admin/endpoints/${endpoint.id}?done=enable`]);
    expect(String((await user.get(location)).body)).toContain('The endpoint is enabled.');
    await endpoint.requests(2);
  });

  it('disables an endpoint', async () => {
    const { id } = await createEndpoint(gateway);
    const { headers } = await user.post(`/admin/endpoints/${id}/disable`);
    const { body } = await user.get(headers.get('location') ?? '');
    expect(String(body)).toContain('an admin disabled it');
    expect(String(body)).not.toContain('class="note good"');
  });

  it('shows until when the old secret of an endpoint signs', async () => {
    const endpoint = await createEndpoint(gateway);
    const { id } = endpoint;
    const path = `/admin/endpoints/${id}`;
    expect(String((await user.get(path)).body)).not.toContain('Old secret signs until');
    const { body } = await endpoint.call('POST', `/v1/endpoints/${id}/rotate-secret`, {});
    const page = String((await user.get(path)).body);
    expect(page).toContain('Old secret signs until');
    expect(page).toContain(body.previousSecretUntil);
  });

  it('distinguishes endpoints without a description by their ids', async () => {
    const { id, service } = await createEndpoint(gateway);
    const { body } = await user.get(`/admin/endpoints?service=${service}`);
    expect(String(body)).toContain(`…${id.slice(-8)}</code>`);
  });

  it('lists the failed delivery of an event first, and counts the rest by status', async () => {
    const service = `service-${randomUUID().slice(0, 8)}`;
    for (let n = 0; n < 3; n++) await createEndpoint(gateway, undefined, {}, service);
    const failed = await createEndpoint(gateway, failing, { retrySchedule: [] }, service);
    await endJob(gateway, service);
    await eventOf(failed, 'failed');
    const list = `/admin/events?service=${service}`;
    const page = await pageWith(list, 'and 2 more, delivered');
    const [first = ''] = /<ul class="deliveries">.*?<\/li>/s.exec(page) ?? [];
    expect(first).toContain(failed.id);
  });

  it('counts what a recovery sends, from the first event that was missed, before it sends it', async () => {
    const endpoint = await disabledEndpoint();
    const path = `/admin/endpoints/${endpoint.id}/recover`;
    const { body } = await user.get(path);
    expect(String(body)).toContain('Recover, and send 1 delivery');
    expect(endpoint.received()).toHaveLength(1);
    const since = /name="since" value="([^"]+Z)"/.exec(String(body))?.[1] ?? '';
    const { headers } = await user.post(path, { since });
    await endpoint.requests(2);
    const after = await user.get(headers.get('location') ?? '');
    expect(String(after.body)).toContain('what it has not received');
  });

  it('counts a recovery since a time that the admin chooses', async () => {
    const { id } = await disabledEndpoint();
    const since = new Date(Date.now() + 60_000).toISOString().slice(0, 19);
    const { body } = await user.get(`/admin/endpoints/${id}/recover?since=${since}`);
    expect(String(body)).toContain('0 deliveries');
  });

  it('answers 422 to a recovery without a valid time', async () => {
    const { id } = await createEndpoint(gateway);
    expect((await user.get(`/admin/endpoints/${id}/recover?since=never`)).status).toBe(422);
    expect((await user.post(`/admin/endpoints/${id}/recover`, { since: '' })).status).toBe(422);
  });

  it('sends a test event, and leads to its attempts', async () => {
    const endpoint = await createEndpoint(gateway);
    const { status, headers } = await user.post(`/admin/endpoints/${endpoint.id}/test`);
    const location = headers.get('location') ?? '';
    expect([status, location]).toEqual([
      303,
      expect.stringMatching(/^\/admin\/events\/.+done=test$/),
    ]);
    const page = await pageWith(location, 'Attempt 1');
    expect(page).toContain('endpoint.test');
    expect(page).toContain('204');
  });

  it('shows every attempt with the time, the duration, the status, the error, and the answer', async () => {
    const endpoint = await createEndpoint(gateway, failing);
    await endJob(gateway, endpoint.service);
    const id = await eventOf(endpoint, 'pending');
    await pageWith(`/admin/events/${id}`, 'Attempt 1');
    await passTime(gateway, endpoint.id);
    const page = await pageWith(`/admin/events/${id}`, 'Attempt 2');
    expect(page.match(/it answered 500/g)).toHaveLength(2);
    expect(page).toContain('&lt;h1>out of\norder&lt;/h1>');
    expect(page).toMatch(/<span class="nowrap">[\d.]+ m?s<\/span>/);
    expect(page).not.toContain(endpoint.secret);
  });

  it('sends an event again to one endpoint', async () => {
    const endpoint = await createEndpoint(gateway);
    await endJob(gateway, endpoint.service);
    const id = await eventOf(endpoint, 'delivered');
    const fields = { endpointId: endpoint.id };
    const { headers } = await user.post(`/admin/events/${id}/resend`, fields);
    expect(headers.get('location')).toBe(`/admin/events/${id}?done=resend`);
    await endpoint.requests(2);
    expect(endpoint.received()).toEqual([id, id]);
    const page = await pageWith(`/admin/events/${id}`, 'Attempt 2');
    expect(page).toContain('Attempt 2, sent again');
    expect(page).not.toContain('Attempt 1, sent again');
  });

  it('explains that an event cannot be sent to a disabled endpoint', async () => {
    const endpoint = await disabledEndpoint();
    const id = await eventOf(endpoint, 'failed');
    const fields = { endpointId: endpoint.id };
    const { status, body } = await user.post(`/admin/events/${id}/resend`, fields);
    expect([status, String(body).includes('Enable it first.')]).toEqual([409, true]);
  });

  it('offers older events where none of those that it examined matches', async () => {
    await gateway.pool.query(
      `INSERT INTO events (id, service, type, body)
       SELECT new_event_id(), 'quiet', 'job.completed', '{}' FROM generate_series(1, 5000)`,
    );
    const { body } = await user.get('/admin/events?service=quiet&status=pending');
    expect(String(body)).toMatch(/None of these 5\u202f000 events matches\./);
    const older = /href="([^"]+cursor[^"]+)" rel="next"/.exec(String(body))?.[1] ?? '';
    const next = await user.get(older.replaceAll('&amp;', '&'));
    expect(String(next.body)).toContain('No event matches.');
  });

  it('finds events by service, status, endpoint, and job', async () => {
    const endpoint = await createEndpoint(gateway);
    const job = await endJob(gateway, endpoint.service);
    const id = await eventOf(endpoint, 'delivered');
    for (const search of [
      `service=${endpoint.service}`,
      `status=delivered&service=${endpoint.service}`,
      `endpointId=${endpoint.id}`,
      `jobId=${job}`,
    ]) {
      expect(String((await user.get(`/admin/events?${search}`)).body)).toContain(id);
    }
    const { body } = await user.get(`/admin/events?status=failed&endpointId=${endpoint.id}`);
    expect(String(body)).toContain('No event matches.');
  });

  it.each(['endpoints?state=sick', 'events?status=lost', 'events?jobId=x', 'events?endpointId=x'])(
    'answers 422 to %s and says what is wrong',
    async (path) => {
      const { status, body } = await user.get(`/admin/${path}`);
      expect([status, /no such|not a UUID/.test(String(body))]).toEqual([422, true]);
    },
  );

  it('shows the deliveries of a job on its page', async () => {
    const endpoint = await createEndpoint(gateway);
    const job = await endJob(gateway, endpoint.service);
    const id = await eventOf(endpoint, 'delivered');
    const { body } = await user.get(`/admin/jobs/${job}`);
    expect(String(body)).toContain(`/admin/events/${id}`);
    expect(String(body)).toContain(`/admin/endpoints/${endpoint.id}`);
  });

  it.each(['endpoints', 'events'])(
    'answers 404 for an unknown id below /admin/%s',
    async (path) => {
      expect((await user.get(`/admin/${path}/${randomUUID()}`)).status).toBe(404);
      expect((await user.get(`/admin/${path}/no-id`)).status).toBe(404);
    },
  );

  it.each(['endpoints/ID/disable', 'endpoints/ID/recover', 'endpoints/ID/test'])(
    'refuses a form without the CSRF token at %s',
    async (path) => {
      const { id } = await createEndpoint(gateway);
      const address = `/admin/${path.replace('ID', id)}`;
      expect((await user.post(address, { csrf: 'forged' })).status).toBe(403);
      expect(
        (await gateway.pool.query('SELECT enabled FROM endpoints WHERE id = $1', [id])).rows,
      ).toEqual([{ enabled: true }]);
    },
  );
});
