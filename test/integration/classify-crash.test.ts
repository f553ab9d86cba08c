import { afterEach, expect, it } from 'vitest';
import {
  AUDIT_KEYS,
  eventually,
  newDatabase,
  send,
  startGateway,
  type TestGateway,
} from '../support/gateway.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, start } from '../support/processes.js';
import { startRawUpstream } from '../support/raw-upstream.js';

const TOKEN_KEYS = `1:${Buffer.alloc(32, 1).toString('base64')}`;
const REQUEST = { type: 'classify', input: 'https://example.com/a.pdf' };

afterEach(cleanUp);

/** Kills a process in the middle of a synchronous call, and lets another one take over. */
async function takenOver(listedAfterwards: readonly object[]) {
  let calls = 0;
  const upstream = await startRawUpstream({
    submit: { status: 404, body: '{"detail":"Not Found"}' },
    list: () => ({ body: JSON.stringify({ jobs: listedAfterwards, next_cursor: null }) }),
    other: () => {
      calls += 1;
      return calls === 1
        ? new Promise(() => undefined)
        : { body: '{"job_id":"job_second","result":{"category":"a"}}' };
    },
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
    UNCERTAIN_SCHEDULE_SECONDS: '0.5',
  };
  const killed = await start(environment);
  const { body: created } = await send(
    `${killed.url}/v1/admin/keys`,
    'POST',
    { service: 'invoices', scopes: ['jobs'] },
    { authorization: `Bearer ${ADMIN_KEY}` },
  );
  const authorization = `Bearer ${created.key}`;
  const { body: job } = await send(`${killed.url}/v1/jobs`, 'POST', REQUEST, { authorization });
  await eventually('the call', () => (calls === 1 ? true : undefined));
  await end(killed.child, 'SIGKILL');
  const heir: TestGateway = await startGateway(environment);
  cleanUps.push(() => heir.close());
  const { body } = await heir.call('GET', `/v1/jobs/${job.id}?wait=30`, undefined, {
    authorization,
  });
  return { job: body, calls };
}

it('makes the call of a killed process again once the listing proves that it made nothing', async () => {
  const { job, calls } = await takenOver([]);
  expect(job).toMatchObject({ status: 'completed', settledBy: 'submission' });
  expect(calls).toBe(2);
});

it('does not make the call of a killed process again while its job may be in the listing', async () => {
  const unmarked = {
    job_id: 'job_first',
    status: 'InProgress',
    type: 'Classify',
    created_at: new Date().toISOString().replace('Z', ''),
    raw_config: JSON.stringify({ input: REQUEST.input }),
  };
  const { job, calls } = await takenOver([unmarked]);
  expect(job).toMatchObject({ status: 'failed', error: { code: 'submit_outcome_unknown' } });
  expect(calls).toBe(1);
});
