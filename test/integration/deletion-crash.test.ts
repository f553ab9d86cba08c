import { Client } from 'pg';
import { afterEach, expect, it } from 'vitest';
import { CallbackTokenService } from '../../src/jobs/callback-token.service.js';
import { Settings } from '../../src/platform/config/settings.js';
import { AUDIT_KEYS, eventually, newDatabase, send } from '../support/gateway.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, start } from '../support/processes.js';
import { startRawUpstream, type RawRequest } from '../support/raw-upstream.js';

const TOKEN_KEYS = `1:${Buffer.alloc(32, 1).toString('base64')}`;

afterEach(cleanUp);

const isDeletion = ({ method }: RawRequest): boolean => method === 'DELETE';

/**
 * A gateway whose job is deleted while the outcome of its submit is unknown. `restart` kills the process and starts another
 * one.
 */
async function withDeletedJob() {
  let answersDeletions = false;
  let rawConfig = '';
  const upstream = await startRawUpstream({
    submit: ({ body }) => {
      rawConfig = body.toString();
      return { breakOff: true };
    },
    list: { status: 404, body: '{"detail":"Not Found"}' },
    poll: () => ({ body: JSON.stringify({ status: 'Pending', raw_config: rawConfig }) }),
    other: (request) =>
      isDeletion(request) && !answersDeletions
        ? new Promise(() => undefined)
        : { status: 202, body: '{"job_id":"late"}' },
  });
  cleanUps.push(() => upstream.close());
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const environment = {
    DATABASE_URL: database.url,
    REDUCTO_BASE_URL: upstream.url,
    REDUCTO_API_KEY: 'key',
    TOKEN_KEYS,
    AUDIT_KEYS,
    UNCERTAIN_LISTING_LAG_SECONDS: '0',
    UNCERTAIN_SCHEDULE_SECONDS: '0.2',
  };
  let gateway = await start(environment);
  const { body: created } = await send(
    `${gateway.url}/v1/admin/keys`,
    'POST',
    { service: 'invoices', scopes: ['jobs'] },
    { authorization: `Bearer ${ADMIN_KEY}` },
  );
  const headers = { authorization: `Bearer ${created.key}` };
  const request = { type: 'parse', input: 'https://example.com/a.pdf' };
  const { body: job } = await send(`${gateway.url}/v1/jobs`, 'POST', request, headers);
  const ended = await send(`${gateway.url}/v1/jobs/${job.id}?wait=30`, 'GET', undefined, headers);
  expect(ended.body.error).toMatchObject({ code: 'submit_outcome_unknown' });
  const deleted = await send(`${gateway.url}/v1/jobs/${job.id}`, 'DELETE', undefined, headers);
  expect(deleted.status).toBe(202);
  const token = new CallbackTokenService(Settings.load({ ...environment })).signJobId(job.id);
  return {
    upstream,
    /** The callback of the upstream job that nobody knew of. */
    sendCallback: async (): Promise<void> => {
      const metadata = { gateway_job_id: job.id, token };
      const body = { status: 'Completed', job_id: 'late', metadata };
      expect((await send(`${gateway.url}/webhooks/reducto`, 'POST', body)).status).toBe(200);
    },
    restart: async (): Promise<void> => {
      await end(gateway.child, 'SIGKILL');
      answersDeletions = true;
      // The time limit of the attempt is over.
      const client = new Client({ connectionString: database.url });
      await client.connect();
      await client.query('UPDATE upstream_deletions SET next_attempt_at = now()');
      await client.end();
      gateway = await start(environment);
    },
  };
}

it('deletes the upstream job of a deleted job whose callback was the last that a killed process received', async () => {
  const { upstream, sendCallback, restart } = await withDeletedJob();
  await sendCallback();
  await restart();
  await eventually('the deletion', () => (upstream.requests.some(isDeletion) ? true : undefined));
  expect(upstream.requests.filter(({ path }) => path === '/cancel/late')).not.toEqual([]);
});

it('repeats the deletion of an upstream job during which the process was killed', async () => {
  const { upstream, sendCallback, restart } = await withDeletedJob();
  await sendCallback();
  await eventually('the first deletion', () =>
    upstream.requests.some(isDeletion) ? true : undefined,
  );
  await restart();
  const deletions = await eventually('the second deletion', () => {
    const found = upstream.requests.filter(isDeletion).map(({ path }) => path);
    return found.length > 1 ? found : undefined;
  });
  expect(new Set(deletions)).toEqual(new Set(['/job/late?include_persisted=true']));
});
