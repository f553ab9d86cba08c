import { afterAll, beforeAll, expect, it } from 'vitest';
import { DELETE_JOBS } from '../../src/jobs/persistence/job-retention.store.js';
import { createEndpoint, endJob } from '../support/endpoints.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { answer, startReceiver } from '../support/receiver.js';

/* Events that are still delivered, sent again, or erased after the row of their job was deleted. */

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const eventOf = (jobId: string): Promise<string> =>
  eventually('the event', async () => {
    const { rows } = await gateway.pool.query('SELECT id FROM events WHERE job_id = $1', [jobId]);
    return rows[0]?.id;
  });

const deleteRow = (jobId: string) => gateway.pool.query('DELETE FROM jobs WHERE id = $1', [jobId]);

it('never posts the webhook of a deleted job to the root of its origin', async () => {
  const receiver = await startReceiver(
    (socket) => void socket.write(answer('500 Internal Server Error')),
  );
  try {
    const webhookUrl = new URL('/hooks/1', receiver.url).href;
    const jobId = await endJob(gateway, 'deleted-webhook', { webhookUrl });
    const eventId = await eventOf(jobId);
    await eventually('a failed attempt', async () => {
      const { rows } = await gateway.pool.query(
        `SELECT FROM deliveries WHERE event_id = $1 AND failures > 0 AND lease IS NULL`,
        [eventId],
      );
      return rows[0];
    });
    await deleteRow(jobId);
    await gateway.pool.query(
      `UPDATE deliveries SET next_attempt_at = now() WHERE event_id = $1 AND lease IS NULL`,
      [eventId],
    );
    await gateway.pool.query(`SELECT pg_notify('reducto_gateway', 'deliveries_due')`);
    const attempt = await eventually('an attempt without a URL', async () => {
      const { rows } = await gateway.pool.query(
        `SELECT * FROM delivery_attempts WHERE event_id = $1 AND error_code = 'url_deleted'`,
        [eventId],
      );
      return rows[0];
    });
    expect(attempt.error).toBe('url_deleted: the URL of the webhook was deleted with its job');
    expect(new Set(receiver.requests.map(({ line }) => line.split(' ')[1]))).toEqual(
      new Set(['/hooks/1']),
    );
  } finally {
    await receiver.close();
  }
});

it('refuses to send the event of a deleted job to an endpoint whose filters nobody can check', async () => {
  const first = await createEndpoint(gateway);
  const other = await createEndpoint(gateway, undefined, { channels: ['other'] }, first.service);
  const jobId = await endJob(gateway, first.service);
  await first.requests(1);
  await deleteRow(jobId);
  const path = `/v1/events/${await eventOf(jobId)}/resend`;
  const resent = await first.call('POST', path, { endpointId: other.id });
  expect(resent).toMatchObject({ status: 409, body: { code: 'event_not_for_endpoint' } });
  expect(other.receiver.requests).toEqual([]);
});

it('retains a deleted job until its data is erased from its event', async () => {
  const jobId = await endJob(gateway, 'erased-late');
  await eventOf(jobId);
  await gateway.pool.query(
    `UPDATE jobs SET ended_at = now() - interval '9999 days' WHERE id = $1`,
    [jobId],
  );
  await gateway.pool.query(
    `INSERT INTO event_erasures (job_id, next_check_at) VALUES ($1, now() + interval '1 day')`,
    [jobId],
  );
  const deleted = async (): Promise<string[]> =>
    (await gateway.pool.query(DELETE_JOBS, [9000, 100])).rows.map(({ id }) => id);
  expect(await deleted()).toEqual([]);
  await gateway.pool.query(`DELETE FROM event_erasures WHERE job_id = $1`, [jobId]);
  expect(await deleted()).toEqual([jobId]);
});

it('sends the event about an endpoint as it is to one that has chosen the body of Reducto since', async () => {
  let isWorking = false;
  const kept = await createEndpoint(
    gateway,
    (socket) => void socket.write(answer(isWorking ? '204 No Content' : '500 Oops')),
    { retrySchedule: [1, 1, 1, 1, 1] },
  );
  const gone = await createEndpoint(
    gateway,
    (socket) => void socket.write(answer('410 Gone')),
    {},
    kept.service,
  );
  await endJob(gateway, kept.service);
  await gone.requests(1);
  const about = (): string[] =>
    kept.receiver.requests
      .map(({ body }) => body.toString())
      .filter((body) => body.includes('disabled'));
  await eventually('the event at the other endpoint', () => about()[0]);
  const patched = await kept.call('PATCH', `/v1/endpoints/${kept.id}`, {
    payloadFormat: 'reducto',
  });
  expect(patched.status).toBe(200);
  const before = kept.receiver.requests.length;
  isWorking = true;
  await eventually('both events', () =>
    kept.receiver.requests.length >= before + 2 ? true : undefined,
  );
  const bodies = kept.receiver.requests.slice(before).map(({ body }) => body.toString());
  expect(bodies.some((body) => body.startsWith('{"type":"endpoint.disabled"'))).toBe(true);
  expect(bodies.join('')).not.toContain('endpoint.test');
});
