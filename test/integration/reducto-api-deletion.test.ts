import Reducto, { toFile } from 'reductoai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RetentionService } from '../../src/retention/retention.service.js';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';
import { consoleUser } from '../support/console.js';
import { endCoolDowns } from '../support/rate-limits.js';
import { outcomeOf, sdksOf } from '../support/reducto-sdk.js';

const INPUT = 'https://example.com/a.pdf';
const NO_JOB = '01a20824-4a5b-7c31-9f0e-6d2b8c1e7a90';

let gateway: TestGateway;
let sdk: Reducto;

beforeAll(async () => {
  gateway = await startGateway();
  sdk = sdksOf(gateway).gateway;
});
afterAll(() => gateway.close());

function call(method: string, path: string, key = gateway.key): Promise<Answer> {
  return send(`${gateway.url}/reducto${path}`, method, undefined, {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
  });
}

async function completedJob(): Promise<string> {
  const { job_id } = await sdk.parse.run({ input: INPUT });
  return job_id;
}

async function upstreamIdOf(id: string): Promise<string> {
  const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
  return rows[0].upstream_id;
}

/** The status of `path` once it is no longer that of a deletion in progress. */
function settled(method: string, path: string): Promise<Answer> {
  return eventually('Reducto has deleted the job', async () => {
    const answer = await call(method, path);
    return answer.status === 409 ? undefined : answer;
  });
}

describe('DELETE /job', () => {
  it('answers 202, and 410 once Reducto has deleted the job', async () => {
    const id = await completedJob();
    expect(await call('DELETE', `/job/${id}`)).toMatchObject({ status: 202, body: { job_id: id } });
    expect(await settled('DELETE', `/job/${id}`)).toMatchObject({
      status: 410,
      body: { error: { code: 410, name: 'JOB_DELETED' } },
    });
    const upstream = gateway.sandbox.jobs.find(await upstreamIdOf(id));
    expect(upstream?.deletedAt).toEqual(expect.any(Number));
  });

  it('answers 409 while Reducto has not deleted the job, and tries again', async () => {
    const id = await completedJob();
    gateway.sandbox.platform.set({ outageStatus: 503 });
    await call('DELETE', `/job/${id}`);
    const during = await call('GET', `/job/${id}`);
    expect(during).toMatchObject({
      status: 409,
      body: { error: { name: 'JOB_DELETION_IN_PROGRESS' } },
    });
    expect(during.headers.get('x-should-retry')).toBe('false');
    gateway.sandbox.platform.set({ outageStatus: 0 });
    expect(await settled('GET', `/job/${id}`)).toMatchObject({ status: 410 });
  });

  it('leaves the metadata to the event of the end, which is not made yet', async () => {
    const lock = await gateway.pool.connect();
    try {
      await lock.query(`BEGIN`);
      await lock.query(`SELECT pg_advisory_xact_lock(hashtextextended('events', 0))`);
      const { job_id: id } = await sdk.parse.runJob({
        input: INPUT,
        async: { metadata: { a: 1 } },
      });
      await gateway.ended(id);
      expect(await call('DELETE', `/job/${id}`)).toMatchObject({ status: 202 });
      const left = await gateway.pool.query(
        `SELECT jobs.metadata, event_outbox.metadata::json AS kept
           FROM jobs JOIN event_outbox ON job_id = id WHERE id = $1`,
        [id],
      );
      expect(left.rows).toEqual([{ metadata: null, kept: { a: 1 } }]);
    } finally {
      await lock.query('ROLLBACK');
      lock.release();
    }
  });

  it('makes result, files, metadata, and listing of the job unreadable at once', async () => {
    const { job_id: id } = await sdk.parse.runJob({ input: INPUT, async: { metadata: { a: 1 } } });
    await gateway.ended(id);
    await call('DELETE', `/job/${id}`);
    for (const path of ['', '/result', '/files', '/events']) {
      const { status, body } = await gateway.call('GET', `/v1/jobs/${id}${path}`);
      expect([status, body.code]).toEqual(
        status === 409 ? [409, 'job_deletion_in_progress'] : [410, 'job_deleted'],
      );
    }
    const { jobs } = await sdk.job.getAll();
    expect(jobs.map(({ job_id }) => job_id)).not.toContain(id);
    const stored = await gateway.pool.query(
      `SELECT metadata, (SELECT count(*)::integer FROM job_results WHERE job_id = id) AS results
         FROM jobs WHERE id = $1`,
      [id],
    );
    expect(stored.rows).toEqual([{ metadata: null, results: 0 }]);
  });

  it('lets retention delete the bytes of the result', async () => {
    const id = await completedJob();
    const { rows } = await gateway.pool.query(
      'SELECT content_id FROM job_results WHERE job_id = $1',
      [id],
    );
    await call('DELETE', `/job/${id}`);
    await gateway.pool.query(
      `UPDATE discarded_contents SET discarded_at = now() - interval '2 hours'`,
    );
    await gateway.app.get(RetentionService, { strict: false }).sweep();
    const chunks = await gateway.pool.query('SELECT 1 FROM result_chunks WHERE content_id = $1', [
      rows[0].content_id,
    ]);
    expect(chunks.rows).toEqual([]);
  });

  it('refuses a job that has not ended', async () => {
    const body = { input: INPUT, sim: { runMs: 60_000 } };
    const { job_id } = await sdk.parse.runJob(body);
    expect(await call('DELETE', `/job/${job_id}`)).toMatchObject({
      status: 409,
      body: { error: { name: 'JOB_NOT_COMPLETE' } },
    });
  });

  it('answers 404 for an unknown job and for that of another service', async () => {
    const id = await completedJob();
    const other = await gateway.newKey('others');
    expect(await call('DELETE', `/job/${id}`, other)).toMatchObject({ status: 404 });
    expect(await call('DELETE', `/job/${NO_JOB}`)).toMatchObject({ status: 404 });
    expect(await call('GET', `/job/${id}`)).toMatchObject({ status: 200 });
  });

  it('is forgotten by repeated requests: a retry of the deleted call makes a new job', async () => {
    const body = { input: 'https://example.com/deleted.pdf' };
    const first = await sdk.parse.runJob(body);
    await gateway.ended(first.job_id);
    await call('DELETE', `/job/${first.job_id}`);
    const retry = await sdk.parse.runJob(body, { headers: { 'x-reducto-retry-count': '1' } });
    expect(retry.job_id).not.toBe(first.job_id);
  });

  it('is also DELETE /v1/jobs/{id}', async () => {
    const id = await completedJob();
    expect(await gateway.call('DELETE', `/v1/jobs/${id}`)).toMatchObject({
      status: 202,
      body: { id },
    });
    expect(await settled('GET', `/job/${id}`)).toMatchObject({ status: 410 });
  });
});

describe('the audit of deleted jobs', () => {
  let admin: string;
  beforeAll(async () => {
    admin = await gateway.newKey('platform', ['admin']);
  });

  const get = (path: string): Promise<Answer> =>
    send(`${gateway.url}/v1/admin${path}`, 'GET', undefined, { authorization: `Bearer ${admin}` });
  /** The entries about a job, oldest first, once one has an outcome. */
  const entriesOf = (id: string): Promise<Answer['body'][]> =>
    eventually('the outcome', async () => {
      const { body } = await get(`/actions?action=job.delete&text=${id}`);
      const entries: Answer['body'][] = body.actions.toReversed();
      return entries.some(({ state }) => state !== 'started') ? entries : undefined;
    });

  it.each([
    ['api', (id: string) => gateway.call('DELETE', `/v1/jobs/${id}`)],
    ['sdk', (id: string) => call('DELETE', `/job/${id}`)],
  ] as const)(
    'says who deleted a job by the surface %s, and that Reducto did',
    async (via, del) => {
      const id = await completedJob();
      const upstreamId = await upstreamIdOf(id);
      expect((await del(id)).status).toBe(202);
      const actor = { keyId: expect.stringMatching(/.+/), service: 'invoices', via };
      const [started, ...outcomes] = await entriesOf(id);
      expect(started).toMatchObject({
        action: 'job.delete',
        state: 'started',
        at: expect.stringMatching(/Z$/),
        actor,
        detail: { jobId: id, upstreamIds: [upstreamId], includePersisted: false },
      });
      expect(outcomes).toMatchObject([
        {
          state: 'done',
          intent: started.id,
          actor,
          detail: { jobId: id, upstreamId, reducto: 'deletes it' },
        },
      ]);
    },
  );

  it('is reached from the job, as the API and the console show it', async () => {
    const id = await completedJob();
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    await entriesOf(id);
    expect((await get(`/jobs/${id}`)).body).toMatchObject({
      deletionRequestedAt: expect.stringMatching(/Z$/),
      deletedAt: expect.stringMatching(/Z$/),
    });
    const user = await consoleUser(gateway, admin);
    const page = async (path: string): Promise<string> => String((await user.get(path)).body);
    expect(await page(`/admin/jobs/${id}`)).toContain(
      `href="/admin/actions?action=job.delete&amp;text=${id}"`,
    );
    const actions = await page(`/admin/actions?action=job.delete&text=${id}`);
    expect(actions).toContain('Deleted a job');
    expect(actions).toContain('being deleted');
  });

  it('says that a job was never at Reducto', async () => {
    gateway.sandbox.platform.set({ outageStatus: 503 });
    try {
      const id = await gateway.submit();
      await eventually('the submit is deferred', async () =>
        (await gateway.events(id)).includes('submit_deferred') ? true : undefined,
      );
      await gateway.call('POST', `/v1/jobs/${id}/cancel`);
      expect((await gateway.call('DELETE', `/v1/jobs/${id}`)).status).toBe(202);
      expect(await entriesOf(id)).toMatchObject([{ state: 'done', detail: { upstreamIds: [] } }]);
    } finally {
      gateway.sandbox.platform.set({ outageStatus: 0 });
      await endCoolDowns(gateway);
    }
  });

  it('says that Reducto refused', async () => {
    const id = await completedJob();
    gateway.sandbox.platform.set({ jobDelete: false });
    try {
      await gateway.call('DELETE', `/v1/jobs/${id}`);
      await gateway.pool.query(
        'UPDATE upstream_deletions SET attempts = 29, next_attempt_at = now()',
      );
      expect((await entriesOf(id)).at(-1)).toMatchObject({
        state: 'failed',
        reason: 'refused_upstream',
        detail: { jobId: id, reducto: 'Reducto answered 405' },
      });
    } finally {
      gateway.sandbox.platform.set({ jobDelete: true });
    }
  });

  it('says so of an upstream job that the gateway deletes by itself', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const { job_id: upstreamId } = (
      await send(
        `${gateway.sandbox.url}/parse_async`,
        'POST',
        { input: INPUT },
        {
          authorization: `Bearer ${gateway.sandbox.apiKey}`,
        },
      )
    ).body;
    await gateway.pool.query(
      `INSERT INTO upstream_deletions (job_id, upstream_id, include_persisted, origin)
       VALUES ($1, $2, true, 'orphan')`,
      [id, upstreamId],
    );
    expect(await entriesOf(id)).toMatchObject([
      { state: 'done', actor: { via: 'gateway' }, detail: { upstreamId, origin: 'orphan' } },
    ]);
  });

  it('is recorded once for repeated requests', async () => {
    const id = await completedJob();
    await Promise.all([1, 2, 3].map(() => gateway.call('DELETE', `/v1/jobs/${id}`)));
    const entries = await entriesOf(id);
    expect(entries.filter(({ state }) => state === 'started')).toHaveLength(1);
  });

  it('has no entry for the attempt on the job of another service', async () => {
    const id = await completedJob();
    await call('DELETE', `/job/${id}`, await gateway.newKey('others'));
    expect((await get(`/actions?text=${id}`)).body.actions).toEqual([]);
  });

  it('stays verifiable', async () => {
    expect((await get('/audit/verify')).body).toMatchObject({ ok: true });
  });
});

describe('DELETE /upload', () => {
  async function uploaded(): Promise<string> {
    const { file_id } = await sdk.upload({ file: await toFile(Buffer.from('%PDF-1.4'), 'a.pdf') });
    return file_id;
  }

  it.each([
    ['raw, as Node sends it', (id: string) => id],
    ['escaped, as Go and Python send it', (id: string) => encodeURIComponent(id)],
    ['with escaped slashes only', (id: string) => id.replaceAll('/', '%2F')],
  ])('deletes an upload whose id is %s', async (_, written) => {
    const id = await uploaded();
    const path = `/upload/${written(id)}`;
    expect(await call('DELETE', path)).toMatchObject({ status: 200, body: { file_id: id } });
    expect(await call('DELETE', path)).toMatchObject({
      status: 404,
      body: { error: { name: 'NOT_FOUND' } },
    });
    expect(gateway.sandbox.uploads.find(id, Date.now())).toBeUndefined();
    expect(await outcomeOf(sdk.parse.runJob({ input: id }))).toMatchObject({ status: 422 });
  });

  it('answers 404 for the upload of another service, and keeps it', async () => {
    const id = await uploaded();
    const other = await gateway.newKey('others');
    expect(await call('DELETE', `/upload/${id}`, other)).toMatchObject({ status: 404 });
    expect(await call('DELETE', `/upload/${id}`)).toMatchObject({ status: 200 });
  });

  it.each(['reducto://../jobs', 'reducto:%2F%2F..%2F..%2Fjob', '%2e%2e%2fjobs', 'x'.repeat(5000)])(
    'answers 404 for %s and asks Reducto nothing',
    async (id) => {
      expect(await call('DELETE', `/upload/${id}`)).toMatchObject({ status: 404 });
    },
  );

  it('answers 503 while Reducto is away, and deletes the upload later', async () => {
    const id = await uploaded();
    gateway.sandbox.platform.set({ outageStatus: 503 });
    const away = await call('DELETE', `/upload/${id}`);
    gateway.sandbox.platform.set({ outageStatus: 0 });
    expect(away).toMatchObject({ status: 503, body: { error: { name: 'SERVICE_UNAVAILABLE' } } });
    expect(away.headers.get('x-should-retry')).toBe('true');
    expect(await call('DELETE', `/upload/${id}`)).toMatchObject({ status: 200 });
  });
});
