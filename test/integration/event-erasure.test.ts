import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint, endJob, passTime, type TestEndpoint } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps } from '../support/processes.js';
import { answer, startReceiver } from '../support/receiver.js';
import { sdksOf } from '../support/reducto-sdk.js';

/* A deleted job leaves nothing of its data in its event, once that is delivered. */

const PRIVATE = 'Jane-Doe-1980';

let gateway: TestGateway;

beforeAll(async () => void (gateway = await startGateway()));
afterAll(() => gateway.close());
afterEach(cleanUp);

/** Ends a job with private data in its metadata and in the message of its error. */
async function endPrivateJob(service: string): Promise<string> {
  const id = await endJob(gateway, service, { metadata: { patient: PRIVATE } });
  await gateway.pool.query(
    `UPDATE jobs SET error = error || jsonb_build_object('message', $2::text) WHERE id = $1`,
    [id, `cannot open ${PRIVATE}.pdf`],
  );
  return id;
}

/** The tables with private data. */
async function tablesWithPrivateData(): Promise<string[]> {
  const { rows } = await gateway.pool.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const { rowCount } = await gateway.pool.query(
      `SELECT FROM ${name} WHERE ${name}::text LIKE $1 LIMIT 1`,
      [`%${PRIVATE}%`],
    );
    if ((rowCount ?? 0) > 0) found.push(name);
  }
  return found;
}

const nothingPrivate = (): Promise<true> =>
  eventually('the erasure', async () =>
    (await tablesWithPrivateData()).length === 0 ? true : undefined,
  );

const deliveryIs = (endpoint: TestEndpoint, wanted: string): Promise<string> =>
  eventually(`the delivery that is ${wanted}`, async () => {
    const { body } = await endpoint.call('GET', '/v1/events?limit=1');
    const [event] = body.events;
    return event?.deliveries[0]?.status === wanted ? event.id : undefined;
  });

/** Makes all erasures that wait due. */
const passErasureTime = () => gateway.pool.query('UPDATE event_erasures SET next_check_at = now()');

describe('the deletion of a job', () => {
  it('erases its data from an event that was delivered, and the answers of the receiver', async () => {
    const endpoint = await createEndpoint(gateway, (socket, { body }) =>
      socket.write(answer('200 OK', `got ${body.toString()}`)),
    );
    const jobId = await endPrivateJob(endpoint.service);
    const eventId = await deliveryIs(endpoint, 'delivered');
    expect(await tablesWithPrivateData()).toContain('delivery_attempts');
    expect((await endpoint.call('DELETE', `/v1/jobs/${jobId}`)).status).toBeLessThan(300);
    expect(await nothingPrivate()).toBe(true);
    const { body } = await endpoint.call('GET', `/v1/events/${eventId}`);
    expect(body.body).toMatchObject({
      type: 'job.failed',
      data: {
        id: jobId,
        metadata: null,
        error: { code: 'failed_upstream', message: 'Its service deleted the job.' },
      },
    });
  });

  it('leaves its data to a delivery that waits for a retry, and erases it afterwards', async () => {
    let fails = true;
    const endpoint = await createEndpoint(gateway, (socket) =>
      socket.write(answer(fails ? '500 Internal Server Error' : '204 No Content')),
    );
    const jobId = await endPrivateJob(endpoint.service);
    await endpoint.requests(1);
    await deliveryIs(endpoint, 'pending');
    await endpoint.call('DELETE', `/v1/jobs/${jobId}`);
    fails = false;
    await passTime(gateway, endpoint.id);
    const [, second] = await endpoint.requests(2);
    expect(JSON.parse(second?.body.toString() ?? '').data.metadata).toEqual({ patient: PRIVATE });
    await deliveryIs(endpoint, 'delivered');
    await passErasureTime();
    expect(await nothingPrivate()).toBe(true);
  });

  it('erases its data while a disabled endpoint waits, which gets the event without it', async () => {
    const endpoint = await createEndpoint(gateway);
    const path = `/v1/endpoints/${endpoint.id}`;
    await endpoint.call('PATCH', path, { enabled: false });
    const jobId = await endPrivateJob(endpoint.service);
    await deliveryIs(endpoint, 'pending');
    await endpoint.call('DELETE', `/v1/jobs/${jobId}`);
    expect(await nothingPrivate()).toBe(true);
    await endpoint.call('PATCH', path, { enabled: true });
    const [request] = await endpoint.requests(1);
    expect(JSON.parse(request?.body.toString() ?? '').data).toMatchObject({
      id: jobId,
      metadata: null,
    });
  });

  it('erases its data from an event that no endpoint asked for', async () => {
    const key = await gateway.newKey('no-endpoints');
    const jobId = await endPrivateJob('no-endpoints');
    await eventually('the event', async () => {
      const { rows } = await gateway.pool.query('SELECT FROM events WHERE job_id = $1', [jobId]);
      return rows.length > 0 ? true : undefined;
    });
    const authorization = { authorization: `Bearer ${key}` };
    await gateway.call('DELETE', `/v1/jobs/${jobId}`, undefined, authorization);
    expect(await nothingPrivate()).toBe(true);
  });

  it('erases the URL of a direct webhook that arrived, which is not sent again', async () => {
    const hook = await startReceiver();
    cleanUps.push(() => hook.close());
    const key = await gateway.newKey('direct');
    const call = (method: string, path: string, body?: unknown) =>
      gateway.call(method, path, body, { authorization: `Bearer ${key}` });
    const { job_id } = await sdksOf({ ...gateway, key }).gateway.parse.runJob({
      input: 'https://example.com/a.pdf',
      async: { webhook: { mode: 'direct', url: `${hook.url}?patient=${PRIVATE}` } },
    });
    const event = await eventually('the delivery', async () => {
      const { body } = await call('GET', `/v1/events?jobId=${job_id}&status=delivered`);
      return body.events[0];
    });
    await call('DELETE', `/v1/jobs/${job_id}`);
    expect(await nothingPrivate()).toBe(true);
    const { endpointId } = event.deliveries[0];
    const resend = `/v1/events/${event.id}/resend`;
    expect((await call('POST', resend, { endpointId })).body.code).toBe('event_not_for_endpoint');
    expect((await call('POST', resend, {})).body).toEqual({ endpointIds: [] });
    expect(hook.requests).toHaveLength(1);
  });
});
