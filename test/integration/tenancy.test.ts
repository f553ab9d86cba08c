import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type Answer, type TestGateway } from '../support/gateway.js';

/*
 * Service A is `invoices`, whose key `gateway.call` sends. Service B must get the same answer for what belongs to A as for
 * what does not exist.
 */

let gateway: TestGateway;
/** A's. */
let done: string;
let open: string;
let upload: string;
let endpoint: string;
let event: string;
let callAsB: TestGateway['call'];

const UNKNOWN_JOB = '01a20824-0000-7000-8000-00000000ffff';
const UNKNOWN_UPLOAD = 'reducto://8f6f2c3a-0000-4000-8000-000000000000.pdf';

beforeAll(async () => {
  gateway = await startGateway();
  const key = await gateway.newKey('orders');
  callAsB = (method, path, body, headers) =>
    gateway.call(method, path, body, { authorization: `Bearer ${key}`, ...headers });
  const form = new FormData();
  form.append('file', new Blob(['%PDF-1.4']), 'a.pdf');
  upload = (await gateway.call('POST', '/v1/uploads', form)).body.id;
  // Nothing listens there: the event waits for its retry.
  const url = 'http://127.0.0.1:1/';
  endpoint = (await gateway.call('POST', '/v1/endpoints', { url })).body.id;
  done = await gateway.submit();
  await gateway.ended(done);
  event = (await gateway.call('GET', '/v1/events?after=0&wait=60')).body.events[0].id;
  open = await gateway.submit({ sim: { runMs: 600_000 } });
});
afterAll(() => gateway.close());

/** The answer without what differs in every answer, and with `id` replaced. */
function comparable(answer: Answer, id: string): unknown {
  const { requestId: _requestId, ...body } = answer.body;
  const headers = [...answer.headers.keys()].filter((name) => name !== 'date').toSorted();
  return {
    status: answer.status,
    headers,
    body: JSON.stringify(body).replaceAll(id, '<id>').replaceAll(id.toLowerCase(), '<id>'),
  };
}

describe.each<[string, string, string]>([
  ['read', 'GET', ''],
  ['wait for', 'GET', '?wait=1'],
  ['read the result of', 'GET', '/result'],
  ['list the files of', 'GET', '/files'],
  ['read a file of', 'GET', '/files/document.pdf'],
  ['read the events of', 'GET', '/events'],
  ['cancel', 'POST', '/cancel'],
  ['delete', 'DELETE', ''],
])('a service cannot %s a job of another', (_verb, method, suffix) => {
  it.each<[string, () => string]>([
    ['that has ended', () => done],
    ['that is open', () => open],
    ['whose id is in upper case', () => done.toUpperCase()],
    ['whose id is in mixed case', () => `${done.slice(0, 18).toUpperCase()}${done.slice(18)}`],
    ['whose id is percent-encoded', () => done.replace('-', '%2D')],
  ])('%s', async (_case, id) => {
    const answer = await callAsB(method, `/v1/jobs/${id()}${suffix}`);
    expect([answer.status, answer.body.code]).toEqual([404, 'job_not_found']);
    const unknown = await callAsB(method, `/v1/jobs/${UNKNOWN_JOB}${suffix}`);
    expect(comparable(answer, id())).toEqual(comparable(unknown, UNKNOWN_JOB));
  });
});

it('does not delete a job for another service', async () => {
  await callAsB('DELETE', `/v1/jobs/${done}`);
  await callAsB('DELETE', `/reducto/job/${done}`);
  const { rows } = await gateway.pool.query(
    'SELECT deletion_requested_at FROM jobs WHERE id = $1',
    [done],
  );
  expect(rows).toEqual([{ deletion_requested_at: null }]);
});

describe.each<[string, string, string]>([
  ['read', 'GET', '/job/'],
  ['cancel', 'POST', '/cancel/'],
  ['delete', 'DELETE', '/job/'],
])('a service cannot %s a job of another below /reducto', (_verb, method, path) => {
  it.each<[string, () => string]>([
    ['that has ended', () => done],
    ['that is open', () => open],
    ['whose id is in upper case', () => done.toUpperCase()],
    ['whose id is percent-encoded', () => done.replace('-', '%2D')],
  ])('%s', async (_case, id) => {
    const answer = await callAsB(method, `/reducto${path}${id()}`);
    expect([answer.status, answer.body.error.name]).toEqual([404, 'NOT_FOUND']);
    const unknown = await callAsB(method, `/reducto${path}${UNKNOWN_JOB}`);
    expect(comparable(answer, id())).toEqual(comparable(unknown, UNKNOWN_JOB));
  });
});

describe('a job that its service has deleted', () => {
  let deleted: string;
  beforeAll(async () => {
    deleted = await gateway.submit();
    await gateway.ended(deleted);
    await gateway.call('DELETE', `/v1/jobs/${deleted}`);
  });

  it.each([
    ['GET', ''],
    ['GET', '?wait=1'],
    ['GET', '/result'],
    ['GET', '/files'],
    ['GET', '/files/document.pdf'],
    ['GET', '/events'],
    ['POST', '/cancel'],
    ['DELETE', ''],
  ])('does not exist for another service (%s /v1/jobs/{id}%s)', async (method, suffix) => {
    const answer = await callAsB(method, `/v1/jobs/${deleted}${suffix}`);
    expect([answer.status, answer.body.code]).toEqual([404, 'job_not_found']);
  });

  it('is deleted for its own', async () => {
    const { status } = await gateway.call('GET', `/v1/jobs/${deleted}`);
    expect([409, 410]).toContain(status);
  });
});

it('does not cancel a job for another service', async () => {
  await callAsB('POST', `/v1/jobs/${open}/cancel`);
  const { rows } = await gateway.pool.query('SELECT cancel_requested_at FROM jobs WHERE id = $1', [
    open,
  ]);
  expect(rows).toEqual([{ cancel_requested_at: null }]);
});

it.each([
  '',
  '?status=completed',
  '?type=parse',
  '?limit=200',
  '?cursor=ffffffff-ffff-7fff-bfff-ffffffffffff',
])('lists no jobs of another service (GET /v1/jobs%s)', async (query) => {
  const { status, body } = await callAsB('GET', `/v1/jobs${query}`);
  expect([status, body]).toEqual([200, { jobs: [], nextCursor: null }]);
});

it('reads the cursor of another service as a position in its own list', async () => {
  const first = (
    await callAsB('POST', '/v1/jobs', { type: 'parse', input: 'https://example.com/b' })
  ).body.id;
  const last = await gateway.submit();
  const ids = async (cursor: string) =>
    (await callAsB('GET', `/v1/jobs?cursor=${cursor}`)).body.jobs.map(
      (job: { id: string }) => job.id,
    );
  expect(await ids(last)).toEqual([first]);
  expect(await ids(last.toUpperCase())).toEqual([first]);
  expect(await ids(done)).toEqual([]);
});

describe('the Idempotency-Key of a job', () => {
  it('identifies another job for another service', async () => {
    const headers = { 'idempotency-key': 'shared-1' };
    const body = { type: 'parse', input: 'https://example.com/a.pdf' };
    const mine = await gateway.call('POST', '/v1/jobs', body, headers);
    const same = await callAsB('POST', '/v1/jobs', body, headers);
    expect([mine.status, same.status]).toEqual([202, 202]);
    expect(same.body.id).not.toBe(mine.body.id);
  });

  it('does not reveal its use to another service', async () => {
    const headers = { 'idempotency-key': 'shared-2' };
    await gateway.call('POST', '/v1/jobs', { type: 'parse', input: 'https://a.example' }, headers);
    const other = { type: 'extract', input: 'https://b.example' };
    expect((await callAsB('POST', '/v1/jobs', other, headers)).status).toBe(202);
  });
});

describe.each<[string, (reference: string) => Record<string, unknown>]>([
  ['as text', (reference) => ({ input: reference })],
  ['in a list', (reference) => ({ input: ['https://example.com/a.pdf', reference] })],
  ['as file_id', (reference) => ({ input: { file_id: reference } })],
])('a service cannot use, %s,', (_form, inputOf) => {
  const refusal = async (reference: string): Promise<Answer> => {
    const answer = await callAsB('POST', '/v1/jobs', { type: 'extract', ...inputOf(reference) });
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed']);
    return answer;
  };

  it.each<[string, () => string]>([
    ['the result of a job', () => done],
    ['the result of an open job', () => open],
    ['the result of a job, in upper case', () => done.toUpperCase()],
  ])('%s', async (_case, id) => {
    const answer = await refusal(`jobid://${id()}`);
    const unknown = await refusal(`jobid://${UNKNOWN_JOB}`);
    expect(comparable(answer, id())).toEqual(comparable(unknown, UNKNOWN_JOB));
  });

  it("the result of a job by Reducto's id", async () => {
    const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [done]);
    const id: string = rows[0].upstream_id;
    const answer = await refusal(`jobid://${id}`);
    expect(answer.body.errors[0].message).toContain('does not exist');
  });

  it.each(['jobid:', 'jobid:/', 'JOBID:\\\\', 'url:jobid://', 'x-jobid://'])(
    "the result of a job by Reducto's id in the spelling %s",
    async (scheme) => {
      const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [
        done,
      ]);
      const answer = await refusal(`${scheme}${rows[0].upstream_id}`);
      expect(answer.body.errors[0].message).toContain('must be');
    },
  );

  it('an upload', async () => {
    const answer = await refusal(upload);
    const unknown = await refusal(UNKNOWN_UPLOAD);
    expect(comparable(answer, upload)).toEqual(comparable(unknown, UNKNOWN_UPLOAD));
  });
});

it('a service cannot edit an upload of another', async () => {
  const edit = (document_url: unknown) =>
    callAsB('POST', '/v1/jobs', { type: 'edit', document_url, edit_instructions: 'sign' });
  const answer = await edit(upload);
  expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'document_url' }] } });
  expect(comparable(answer, upload)).toEqual(
    comparable(await edit(UNKNOWN_UPLOAD), UNKNOWN_UPLOAD),
  );
});

it('shares jobs and uploads among the keys of a service', async () => {
  const authorization = `Bearer ${await gateway.newKey('invoices')}`;
  const call = (method: string, path: string, body?: unknown) =>
    gateway.call(method, path, body, { authorization });
  expect((await call('GET', `/v1/jobs/${done}`)).status).toBe(200);
  expect((await call('POST', '/v1/jobs', { type: 'parse', input: upload })).status).toBe(202);
});

it.each(['Invoices', 'INVOICES', 'invoices.', 'invoice'])(
  'keeps service %s apart from service invoices',
  async (service) => {
    const authorization = `Bearer ${await gateway.newKey(service)}`;
    const answer = await gateway.call('GET', `/v1/jobs/${done}`, undefined, { authorization });
    expect(answer.status).toBe(404);
  },
);

it('refuses jobs to a key with only the scope admin', async () => {
  const authorization = `Bearer ${await gateway.newKey('invoices', ['admin'])}`;
  const answers = await Promise.all(
    [`/v1/jobs/${done}`, `/v1/jobs/${done}/result`, '/v1/jobs'].map((path) =>
      gateway.call('GET', path, undefined, { authorization }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
});

describe.each<[string, string, string, object | undefined]>([
  ['read', 'GET', '', undefined],
  ['change', 'PATCH', '', { enabled: false }],
  ['delete', 'DELETE', '', undefined],
  ['rotate the secret of', 'POST', '/rotate-secret', {}],
  ['test', 'POST', '/test', undefined],
  ['recover', 'POST', '/recover', { since: '2026-01-01T00:00:00Z' }],
  ['count the deliveries of', 'POST', '/recover', { since: '2026-01-01T00:00:00Z', dryRun: true }],
])('a service cannot %s an endpoint of another', (_verb, method, suffix, body) => {
  it.each<[string, () => string]>([
    ['by its id', () => endpoint],
    ['by its id in upper case', () => endpoint.toUpperCase()],
  ])('%s', async (_case, id) => {
    const answer = await callAsB(method, `/v1/endpoints/${id()}${suffix}`, body);
    expect([answer.status, answer.body.code]).toEqual([404, 'endpoint_not_found']);
    const unknown = await callAsB(method, `/v1/endpoints/${UNKNOWN_JOB}${suffix}`, body);
    expect(comparable(answer, id())).toEqual(comparable(unknown, UNKNOWN_JOB));
    const { body: own } = await gateway.call('GET', `/v1/endpoints/${endpoint}`);
    expect(own.enabled).toBe(true);
  });
});

describe.each<[string, string, string, object | undefined]>([
  ['read', 'GET', '', undefined],
  ['read the attempts of', 'GET', '/attempts', undefined],
  ['resend', 'POST', '/resend', {}],
])('a service cannot %s an event of another', (_verb, method, suffix, body) => {
  it.each<[string, () => string]>([
    ['by its id', () => event],
    ['by its id in upper case', () => event.toUpperCase()],
  ])('%s', async (_case, id) => {
    const answer = await callAsB(method, `/v1/events/${id()}${suffix}`, body);
    expect([answer.status, answer.body.code]).toEqual([404, 'event_not_found']);
    const unknown = await callAsB(method, `/v1/events/${UNKNOWN_JOB}${suffix}`, body);
    expect(comparable(answer, id())).toEqual(comparable(unknown, UNKNOWN_JOB));
  });
});

it('a service cannot resend its event to an endpoint of another', async () => {
  const { body: own } = await callAsB('POST', '/v1/endpoints', { url: 'http://127.0.0.1:1/' });
  const { body: sent } = await callAsB('POST', `/v1/endpoints/${own.id}/test`);
  for (const endpointId of [endpoint, UNKNOWN_JOB]) {
    const answer = await callAsB('POST', `/v1/events/${sent.eventId}/resend`, { endpointId });
    expect([answer.status, answer.body.code]).toEqual([404, 'endpoint_not_found']);
  }
  await callAsB('DELETE', `/v1/endpoints/${own.id}`);
});

it('lists no endpoints of another service', async () => {
  const { body } = await callAsB('GET', '/v1/endpoints');
  expect(body).toEqual({ endpoints: [], nextCursor: null });
});

it.each(['', '?after=0', '?type=job.completed', '?status=pending'])(
  'lists no events of jobs of another service (GET /v1/events%s)',
  async (query) => {
    const { body } = await callAsB('GET', `/v1/events${query}`);
    const jobs = body.events.flatMap(({ jobId }: { jobId: string | null }) => jobId ?? []);
    expect(jobs).not.toContain(done);
  },
);

it('lists own events alone around the event of another service', async () => {
  const { body: own } = await callAsB('POST', '/v1/endpoints', { url: 'http://127.0.0.1:1/' });
  const { body: sent } = await callAsB('POST', `/v1/endpoints/${own.id}/test`);
  const events = async (query: string) =>
    (await callAsB('GET', `/v1/events?${query}`)).body.events.map(({ id }: { id: string }) => id);
  expect(await events(`cursor=${event}`)).toEqual([]);
  expect(await events(`after=${event}`)).toContain(sent.eventId);
  expect(await events(`after=${event}`)).not.toContain(event);
  expect(await events(`jobId=${done}`)).toEqual([]);
  expect(await events(`endpointId=${endpoint}`)).toEqual([]);
  await callAsB('DELETE', `/v1/endpoints/${own.id}`);
});

it('covers every route for services in this file', async () => {
  const { body } = await gateway.call('GET', '/docs/json');
  const routes = Object.keys(body.paths).filter(
    (path) => path.startsWith('/v1/') && !path.startsWith('/v1/admin/'),
  );
  expect(routes.toSorted()).toEqual([
    '/v1/endpoints',
    '/v1/endpoints/{id}',
    '/v1/endpoints/{id}/recover',
    '/v1/endpoints/{id}/rotate-secret',
    '/v1/endpoints/{id}/test',
    '/v1/events',
    '/v1/events/{id}',
    '/v1/events/{id}/attempts',
    '/v1/events/{id}/resend',
    '/v1/jobs',
    '/v1/jobs/{id}',
    '/v1/jobs/{id}/cancel',
    '/v1/jobs/{id}/events',
    '/v1/jobs/{id}/files',
    '/v1/jobs/{id}/files/{name}',
    '/v1/jobs/{id}/result',
    '/v1/uploads',
  ]);
});
