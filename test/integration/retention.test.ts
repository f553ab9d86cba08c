import { randomBytes, randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ResultStore } from '../../src/jobs/results/result.store.js';
import { SessionRetention } from '../../src/console/session/session-retention.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import { metricValue } from '../support/metrics.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';
import { addOldJobs, countOf, letAge, letGracePass } from '../support/old-jobs.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    RESULT_RETENTION_DAYS: '30',
    CALLBACK_RETENTION_DAYS: '90',
    JOB_RETENTION_DAYS: '365',
    RETENTION_INTERVAL_SECONDS: '86400',
  });
});
afterAll(() => gateway.close());

beforeEach(async () => {
  await gateway.pool.query(
    `TRUNCATE jobs, job_events, job_results, result_chunks, callbacks, discarded_contents, retention_lease`,
  );
});

const sweep = (of: TestGateway = gateway) =>
  of.app.get(RetentionService, { strict: false }).sweep();
const count = (table: string, where?: string) => countOf(gateway.pool, table, where);
const read = (id: string) => gateway.call('GET', `/v1/jobs/${id}/result`);

describe('an expired result', () => {
  it('answers result_expired while the job remains, and deletes the chunks after the read grace', async () => {
    const id = await gateway.submit({ metadata: { invoice: 1 } });
    await gateway.ended(id);
    await letAge(gateway.pool, id, 31);
    expect(await sweep()).toMatchObject({ results: 1, jobs: 0, chunks: 0 });

    const answer = await read(id);
    expect(answer).toMatchObject({ status: 410, body: { code: 'result_expired', status: 410 } });
    const { body: job } = await gateway.call('GET', `/v1/jobs/${id}`);
    expect(job).toMatchObject({ status: 'completed', metadata: { invoice: 1 } });
    expect(Date.parse(job.resultExpiredAt)).toBeGreaterThan(Date.now() - 60_000);
    expect(answer.body.detail).toContain(job.resultExpiredAt);
    expect((await gateway.call('GET', '/v1/jobs')).body.jobs[0].resultExpiredAt).toBe(
      job.resultExpiredAt,
    );
    expect(await gateway.events(id)).toContain('completed');

    expect(await count('result_chunks')).toBe(1);
    await letGracePass(gateway.pool);
    expect(await sweep()).toMatchObject({ results: 0, chunks: 1 });
    expect([await count('result_chunks'), await count('discarded_contents')]).toEqual([0, 0]);
    expect(await read(id)).toMatchObject({ status: 410 });
    expect(await metricValue(gateway, 'gateway_retention_removed_total', { kind: 'result' })).toBe(
      1,
    );
  });

  it('retains a result to the last day of its retention', async () => {
    const young = await gateway.submit();
    await gateway.ended(young);
    const almost = await gateway.submit();
    await gateway.ended(almost);
    await letAge(gateway.pool, almost, 29);
    const failed = await gateway.submit({ sim: { outcome: 'failed' } });
    await gateway.ended(failed);
    await letAge(gateway.pool, failed, 300);
    expect(await sweep()).toEqual({
      results: 0,
      jobs: 0,
      callbacks: 1,
      chunks: 0,
      uploads: 0,
      events: 0,
      endpoints: 0,
    });
    expect([(await read(young)).status, (await read(almost)).status]).toEqual([200, 200]);
    expect(await read(failed)).toMatchObject({ body: { code: 'job_has_no_result' } });
    expect((await gateway.call('GET', `/v1/jobs/${failed}`)).body.resultExpiredAt).toBeNull();
  });

  it('lets a reader that has begun finish an expired result', async () => {
    const id = await withLargeResult();
    await letAge(gateway.pool, id, 31);
    const reading = await slowRead(id);
    expect(await sweep()).toMatchObject({ results: 1 });
    expect(await reading.rest()).toBe(LARGE);
    expect(await read(id)).toMatchObject({ status: 410 });
  });

  it.each(['identity', 'gzip'])(
    'fails a read that outlasts the grace instead of truncating the result (%s)',
    async (encoding) => {
      const id = await withLargeResult();
      await letAge(gateway.pool, id, 31);
      const reading = await slowRead(id, encoding);
      await sweep();
      await letGracePass(gateway.pool);
      expect((await sweep()).chunks).toBeGreaterThan(100);
      await expect(reading.rest()).rejects.toThrow('terminated');
    },
  );
});

describe('an expired job', () => {
  it('deletes the job with its rows, frees its key, and treats its late callback as unknown', async () => {
    const body = { type: 'parse', input: 'https://example.com/a.pdf' };
    const submit = () => gateway.call('POST', '/v1/jobs', body, { 'idempotency-key': 'invoice-1' });
    const { id } = (await submit()).body;
    await gateway.ended(id);
    await letAge(gateway.pool, id, 364);
    expect((await sweep()).jobs).toBe(0);
    expect((await submit()).body.id).toBe(id);

    const { upstream_id: upstreamId } = (
      await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id])
    ).rows[0];
    await letAge(gateway.pool, id, 2);
    expect((await sweep()).jobs).toBe(1);
    for (const table of ['jobs', 'job_events', 'job_results', 'callbacks']) {
      expect([table, await count(table)]).toEqual([table, 0]);
    }
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.code).toBe('job_not_found');
    const late = await send(`${gateway.url}/webhooks/reducto`, 'POST', {
      status: 'Completed',
      job_id: upstreamId,
      metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
    });
    expect(late).toMatchObject({ status: 404, body: { code: 'callback_refused_job' } });
    expect([await count('callbacks'), await count('job_events')]).toEqual([0, 0]);

    const again = (await submit()).body.id;
    expect(again).not.toBe(id);
    await gateway.ended(again);
  });

  it('retains an open job and its callbacks at any age', async () => {
    const id = await gateway.submit({ sim: { stuck: 'InProgress', webhook: { send: 'never' } } });
    await expect.poll(() => gateway.events(id)).toContain('submitted');
    const { rows } = await gateway.pool.query('SELECT upstream_id FROM jobs WHERE id = $1', [id]);
    await gateway.pool.query(
      `INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address, received_at)
       VALUES ($1, $2, 'InProgress', 'token', '127.0.0.1', now() - interval '10 years')`,
      [id, rows[0].upstream_id],
    );
    // Not its age as a job: that would end it.
    await gateway.pool.query(
      `UPDATE jobs SET submitted_at = now() - interval '10 years' WHERE id = $1`,
      [id],
    );
    await gateway.pool.query(`UPDATE job_events SET at = now() - interval '10 years'`);
    expect(await sweep()).toEqual({
      results: 0,
      jobs: 0,
      callbacks: 0,
      chunks: 0,
      uploads: 0,
      events: 0,
      endpoints: 0,
    });
    expect([await count('jobs'), await count('callbacks')]).toEqual([1, 1]);
    await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    await gateway.ended(id);
    expect(await sweep()).toEqual({
      results: 0,
      jobs: 0,
      callbacks: 1,
      chunks: 0,
      uploads: 0,
      events: 0,
      endpoints: 0,
    });
  });

  it('counts the age of a job from its end', async () => {
    const patient = await startGateway({
      JOB_MAX_AGE_SECONDS: '2592000',
      RESULT_RETENTION_DAYS: '1',
      CALLBACK_RETENTION_DAYS: '1',
      JOB_RETENTION_DAYS: '1',
      EVENT_RETENTION_DAYS: '1',
      RETENTION_INTERVAL_SECONDS: '86400',
    });
    try {
      const never = { webhook: { send: 'never' } };
      const running = await patient.submit({ sim: { stuck: 'InProgress', ...never } });
      const ended = await patient.submit();
      await patient.ended(ended);
      await patient.pool.query(`UPDATE jobs SET created_at = now() - interval '29 days'`);
      expect(await sweep(patient)).toEqual({
        results: 0,
        jobs: 0,
        callbacks: 0,
        chunks: 0,
        uploads: 0,
        events: 0,
        endpoints: 0,
      });
      expect((await patient.call('GET', `/v1/jobs/${running}`)).body.endedAt).toBeNull();
      expect((await patient.call('GET', `/v1/jobs/${ended}/result`)).status).toBe(200);
    } finally {
      await patient.close();
    }
  });

  it('deletes timeline entries that a callback added after the job was deleted', async () => {
    const gone = randomUUID();
    await gateway.pool.query(
      `INSERT INTO job_events (job_id, type) VALUES ($1, 'callback_received')`,
      [gone],
    );
    await gateway.pool.query(
      `INSERT INTO callbacks (job_id, upstream_id, status, proved_by, client_address, received_at)
       VALUES ($1, 'x', 'Completed', 'token', '127.0.0.1', now() - interval '91 days')`,
      [gone],
    );
    await addOldJobs(gateway.pool, 1, 91);
    expect(await sweep()).toMatchObject({ callbacks: 2, results: 1 });
    expect([await count('job_events', `job_id = '${gone}'`), await count('job_events')]).toEqual([
      0, 3,
    ]);
  });
});

it('deletes chunks of a crashed download and retains those of a download under way', async () => {
  const chunk = async (hoursAgo: number): Promise<string> => {
    const contentId = uuidv7({ msecs: Date.now() - hoursAgo * 3_600_000 });
    await gateway.pool.query(
      `INSERT INTO result_chunks VALUES ($1, 0, '\\x00'), ($1, 1, '\\x00')`,
      [contentId],
    );
    return contentId;
  };
  const [lost, underWay, attached] = [await chunk(25), await chunk(23), await chunk(26)];
  await gateway.pool.query(`INSERT INTO job_results VALUES ($1, $2, '', 2, 2)`, [
    randomUUID(),
    attached,
  ]);
  await sweep();
  const { rows } = await gateway.pool.query(`SELECT content_id FROM discarded_contents`);
  expect(rows).toEqual([{ content_id: lost }]);
  await letGracePass(gateway.pool);
  expect((await sweep()).chunks).toBe(2);
  expect(await count('result_chunks', `content_id = '${lost}'`)).toBe(0);
  expect(await count('result_chunks', `content_id = '${underWay}'`)).toBe(2);
  expect(await count('result_chunks', `content_id = '${attached}'`)).toBe(2);
});

it('retains discarded content that belongs to a job again', async () => {
  const contentId = randomUUID();
  await gateway.pool.query(`INSERT INTO result_chunks VALUES ($1, 0, '\\x00')`, [contentId]);
  await gateway.pool.query(`INSERT INTO discarded_contents VALUES ($1, now() - interval '1 day')`, [
    contentId,
  ]);
  await gateway.pool.query(`INSERT INTO job_results VALUES ($1, $2, '', 1, 1)`, [
    randomUUID(),
    contentId,
  ]);
  expect((await sweep()).chunks).toBe(0);
  expect([await count('result_chunks'), await count('discarded_contents')]).toEqual([1, 0]);
});

it('one of two concurrent processes deletes everything once', async () => {
  const other = await startGateway({
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    RETENTION_INTERVAL_SECONDS: '86400',
  });
  try {
    await addOldJobs(gateway.pool, 1500, 400);
    const [one, two] = await Promise.all([sweep(), sweep(other)]);
    expect([one.jobs + two.jobs, one.results + two.results]).toEqual([1500, 1500]);
    expect([one.jobs, two.jobs].toSorted((a, b) => a - b)).toEqual([0, 1500]);
    expect([await count('jobs'), await count('callbacks')]).toEqual([0, 0]);
  } finally {
    await other.close();
  }
});

it('0 retains rows forever, and a result without its own retention is deleted with its job', async () => {
  const keeps = await startGateway({
    RESULT_RETENTION_DAYS: '0',
    CALLBACK_RETENTION_DAYS: '0',
    JOB_RETENTION_DAYS: '0',
    RETENTION_INTERVAL_SECONDS: '86400',
  });
  const jobsOnly = await startGateway({
    DATABASE_URL: keeps.settings.DATABASE_URL ?? '',
    RESULT_RETENTION_DAYS: '0',
    CALLBACK_RETENTION_DAYS: '0',
    JOB_RETENTION_DAYS: '10',
    EVENT_RETENTION_DAYS: '10',
    RETENTION_INTERVAL_SECONDS: '86400',
  });
  try {
    await addOldJobs(keeps.pool, 3, 5000);
    await addOldJobs(keeps.pool, 1, 9);
    expect(await sweep(keeps)).toEqual({
      results: 0,
      jobs: 0,
      callbacks: 0,
      chunks: 0,
      uploads: 0,
      events: 0,
      endpoints: 0,
    });
    await keeps.pool.query(`UPDATE retention_lease SET held_until = now() - interval '1 s'`);
    expect(await sweep(jobsOnly)).toEqual({
      results: 0,
      jobs: 3,
      callbacks: 3,
      chunks: 0,
      uploads: 0,
      events: 0,
      endpoints: 0,
    });
    await letGracePass(keeps.pool);
    expect((await sweep(jobsOnly)).chunks).toBe(3);
    expect(await countOf(keeps.pool, 'job_results')).toBe(1);
  } finally {
    await jobsOnly.close();
    await keeps.close();
  }
});

it('deletes expired console sessions', async () => {
  await gateway.pool.query(
    `INSERT INTO admin_sessions (token_hash, key_id, last_seen_at, expires_at)
     SELECT sha256(name::bytea), gen_random_uuid(), now() - seen::interval, now() + rest::interval
       FROM (VALUES ('over', '1 min', '-1 min'), ('idle', '61 min', '1 h'), ('in use', '59 min', '1 h'))
         AS session (name, seen, rest)`,
  );
  await gateway.app.get(SessionRetention, { strict: false }).sweep();
  const { rows } = await gateway.pool.query(
    `SELECT token_hash = sha256('in use'::bytea) AS "inUse" FROM admin_sessions`,
  );
  expect(rows).toEqual([{ inUse: true }]);
});

it('shutdown waits for one batch only', async () => {
  const stopping = await startGateway({
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    RETENTION_INTERVAL_SECONDS: '1',
  });
  await addOldJobs(gateway.pool, 20_000, 400);
  await expect.poll(() => count('job_results')).toBeLessThan(20_000);
  await stopping.close();
  const left = await count('job_results');
  expect(left).toBeGreaterThan(0);
  // Each job has its result or says that it had one: nothing lies between two steps.
  expect(
    await count(
      'jobs',
      `(result_expired_at IS NULL) <> EXISTS (SELECT FROM job_results WHERE job_id = jobs.id)`,
    ),
  ).toBe(0);
});

/** More than the buffers between here and the client hold. */
const LARGE = 64_000_000;

/** A job whose result does not get smaller by compression. */
async function withLargeResult(): Promise<string> {
  const id = await gateway.submit();
  await gateway.ended(id);
  const content = await gateway.app.get(ResultStore, { strict: false }).writeContent(
    (async function* () {
      for (let sent = 0; sent < LARGE; sent += 1_000_000) yield randomBytes(1_000_000);
    })(),
  );
  await gateway.pool.query(
    'UPDATE job_results SET content_id = $1, size_bytes = $2, stored_bytes = $3 WHERE job_id = $4',
    [content.contentId, content.sizeBytes, content.storedBytes, id],
  );
  return id;
}

/** Reads the beginning of a result; `rest` reads on and returns how long it was altogether. */
async function slowRead(id: string, encoding = 'identity'): Promise<{ rest(): Promise<number> }> {
  const response = await fetch(`${gateway.url}/v1/jobs/${id}/result`, {
    headers: { authorization: `Bearer ${gateway.key}`, 'accept-encoding': encoding },
  });
  const reader = response.body?.getReader();
  let size = (await reader?.read())?.value?.length ?? 0;
  return {
    rest: async () => {
      for (;;) {
        const part = await reader?.read();
        if (part === undefined || part.done) return size;
        size += part.value.length;
      }
    },
  };
}
