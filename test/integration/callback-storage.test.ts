import { afterAll, beforeAll, expect, it } from 'vitest';
import { finishedUpstream } from '../support/console.js';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';

/* A 200 means that the callback is durable. */

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    RECONCILE_INTERVAL_SECONDS: '3600',
    POLL_SCHEDULE_SECONDS: '600',
  });
});
afterAll(() => gateway.close());

it('answers a callback that it could not store with a 5xx, and accepts its repetition', async () => {
  const id = await gateway.submit({ sim: { webhook: { send: 'never' } } });
  const callback = {
    status: 'Completed',
    job_id: await finishedUpstream(gateway, id),
    metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
  };
  const post = (): Promise<Answer> => send(`${gateway.url}/webhooks/reducto`, 'POST', callback);
  await gateway.pool.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON callback_inbox EXECUTE FUNCTION refuse()`);
  expect((await post()).status).toBeGreaterThanOrEqual(500);
  const { rowCount } = await gateway.pool.query('SELECT FROM callback_inbox');
  expect(rowCount).toBe(0);
  expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.status).toBe('submitted');
  await gateway.pool.query('DROP TRIGGER refuse ON callback_inbox');
  expect((await post()).status).toBe(200);
  expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'webhook' });
});
