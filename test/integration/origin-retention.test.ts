import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RetentionService } from '../../src/retention/retention.service.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { countOf } from '../support/old-jobs.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ RETENTION_INTERVAL_SECONDS: '86400' });
});
afterAll(() => gateway.close());
afterEach(() =>
  gateway.pool.query(
    'DELETE FROM endpoints; DELETE FROM deliveries; DELETE FROM events; DELETE FROM jobs',
  ),
);

const sweep = () => gateway.app.get(RetentionService, { strict: false }).sweep();

describe('an endpoint of direct webhooks', () => {
  const ORIGIN = 'https://receiver.example.com/';

  /** One that was made a year ago, with these changes of its row. */
  async function addEndpoint(changes = 'for_jobs = true'): Promise<string> {
    const id = randomUUID();
    await gateway.pool.query(
      `INSERT INTO endpoints (id, service, url, for_jobs, secret, created_at, updated_at)
       VALUES ($1, 'invoices', '${ORIGIN}', true, 'plain:whsec_a', now() - interval '1 year', now() - interval '1 year')`,
      [id],
    );
    await gateway.pool.query(`UPDATE endpoints SET ${changes} WHERE id = $1`, [id]);
    return id;
  }
  const addDelivery = (id: string, status: string) =>
    gateway.pool.query(
      `WITH event AS (
         INSERT INTO events (id, service, type, body, created_at)
         VALUES (new_event_id(), 'invoices', 'job.failed', '{}', now()) RETURNING id)
       INSERT INTO deliveries (event_id, endpoint_id, status, next_attempt_at)
       SELECT id, $1, $2, now() + interval '1 day' FROM event`,
      [id, status],
    );
  const addJob = (webhookUrl: string) =>
    gateway.pool.query(
      `INSERT INTO jobs (id, service, type, status, next_check_at, webhook_url)
       VALUES ($1, 'invoices', 'parse', 'submitted', 'infinity', $2)`,
      [randomUUID(), webhookUrl],
    );

  it('is deleted when nothing needs it any more', async () => {
    await addEndpoint();
    expect((await sweep()).endpoints).toBe(1);
    expect(await countOf(gateway.pool, 'endpoints')).toBe(0);
  });

  it('is deleted although its service made jobs for other origins', async () => {
    await addEndpoint();
    await addJob('https://receiver.example.com.example.org/hook');
    expect((await sweep()).endpoints).toBe(1);
  });

  it.each(['pending', 'failed'])('is retained while a delivery is %s', async (status) => {
    await addDelivery(await addEndpoint(), status);
    expect((await sweep()).endpoints).toBe(0);
  });

  it('is retained while an open job names it', async () => {
    await addEndpoint();
    await addJob(`${ORIGIN}hook`);
    expect((await sweep()).endpoints).toBe(0);
  });

  it.each([
    ['was created within the retention of events', `created_at = now(), updated_at = now()`],
    ['had a success within the retention of events', `last_success_at = now()`],
    ['was changed by its service', `updated_at = now()`],
    ['was created by its service', `for_jobs = false`],
  ])('is retained if it %s', async (_, changes) => {
    await addEndpoint(changes);
    expect((await sweep()).endpoints).toBe(0);
  });

  it('is retained while a fan-out has locked it', async () => {
    const id = await addEndpoint();
    const session = await gateway.pool.connect();
    try {
      await session.query('BEGIN');
      await session.query('SELECT FROM endpoints WHERE id = $1 FOR KEY SHARE', [id]);
      expect((await sweep()).endpoints).toBe(0);
    } finally {
      await session.query('ROLLBACK');
      session.release();
    }
  });
});
