import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';

let gateway: TestGateway;
let adminKey: string;

/* Nothing but what an admin does moves these jobs on. */
const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };

beforeAll(async () => {
  gateway = await startGateway(QUIET);
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterAll(() => gateway.close());

const ask = (method: string, path: string): Promise<Answer> =>
  send(`${gateway.url}/v1/admin/jobs${path}`, method, undefined, {
    authorization: `Bearer ${adminKey}`,
  });

/** A job that Reducto has, and whose callback never comes. */
async function submittedJob(): Promise<string> {
  const id = await gateway.submit({ metadata: { n: 1 }, sim: { webhook: { send: 'never' } } });
  await eventually('the submit', async () =>
    (await ask('GET', `/${id}`)).body.status === 'submitted' ? true : undefined,
  );
  return id;
}

const lastAction = async (): Promise<Record<string, unknown>> => {
  const { body } = await send(`${gateway.url}/v1/admin/actions?limit=1`, 'GET', undefined, {
    authorization: `Bearer ${adminKey}`,
  });
  return body.actions[0];
};

describe('an admin', () => {
  it('lists the jobs of a service, page by page', async () => {
    const other = await gateway.newKey('claims');
    const request = { type: 'parse', input: 'https://example.com/a.pdf' };
    const headers = { authorization: `Bearer ${other}` };
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.unshift((await gateway.call('POST', '/v1/jobs', request, headers)).body.id);
    }
    const first = (await ask('GET', '?service=claims&limit=2')).body;
    const second = (await ask('GET', `?service=claims&limit=2&cursor=${first.nextCursor}`)).body;
    const found: { id: string; service: string }[] = [...first.jobs, ...second.jobs];
    expect(found.map(({ id }) => id)).toEqual(ids);
    expect(new Set(found.map(({ service }) => service))).toEqual(new Set(['claims']));
    expect(second.nextCursor).toBeNull();
  });

  it('finds a job by the id that Reducto gave it', async () => {
    const id = await submittedJob();
    const { upstreamId } = (await ask('GET', `/${id}`)).body;
    const { jobs } = (await ask('GET', `?upstreamId=${upstreamId}`)).body;
    expect(jobs).toMatchObject([{ id, upstreamId }]);
  });

  it('reads a job with its metadata, and not its request', async () => {
    const id = await submittedJob();
    const { body } = await ask('GET', `/${id}`);
    expect(body).toMatchObject({ id, service: 'invoices', submitAttempts: 1, metadata: { n: 1 } });
    expect(JSON.stringify(body)).not.toContain('example.com');
  });

  it('reads the timeline of a job', async () => {
    const id = await submittedJob();
    const { body } = await ask('GET', `/${id}/events?limit=1`);
    expect(body).toMatchObject({ events: [{ type: 'accepted' }], nextCursor: expect.any(String) });
  });

  it('has a job polled, which finds its end, and is on record with it', async () => {
    const id = await submittedJob();
    await eventually('the end', async () => {
      const { status } = await ask('POST', `/${id}/poll`);
      return status === 409 ? true : undefined;
    });
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    expect(await lastAction()).toMatchObject({
      action: 'job.poll',
      state: 'failed',
      reason: 'job_already_ended',
      actor: { service: 'platform', via: 'api' },
      detail: { job: id, service: 'invoices' },
    });
  });

  it('cancels a job, and is on record with it', async () => {
    const id = await submittedJob();
    const { status, body } = await ask('POST', `/${id}/cancel`);
    expect([status, typeof body.cancelRequestedAt]).toEqual([202, 'string']);
    expect(await lastAction()).toMatchObject({
      action: 'job.cancel',
      state: 'done',
      detail: { job: id },
    });
  });

  it.each([
    ['GET', ''],
    ['GET', '/events'],
    ['POST', '/poll'],
    ['POST', '/cancel'],
  ])('is told that a job does not exist by %s %s', async (method, path) => {
    for (const id of ['01a2082b-ff8e-76c7-b113-fc1d5c8ed87a', 'x', '%00']) {
      const answer = await ask(method, `/${id}${path}`);
      expect([answer.status, answer.body.code]).toEqual([404, 'job_not_found']);
    }
  });
});

it.each([
  ['GET', ''],
  ['GET', '/01a2082b-ff8e-76c7-b113-fc1d5c8ed87a'],
  ['POST', '/01a2082b-ff8e-76c7-b113-fc1d5c8ed87a/poll'],
  ['POST', '/01a2082b-ff8e-76c7-b113-fc1d5c8ed87a/cancel'],
])('refuses %s /v1/admin/jobs%s with a key of a service', async (method, path) => {
  expect((await gateway.call(method, `/v1/admin/jobs${path}`)).status).toBe(403);
});
