import { randomBytes, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DeletionWork } from '../../src/jobs/deletion/deletion.work.js';
import { SubmissionTransitions } from '../../src/jobs/submission/submission-transitions.js';
import { CallbackRelay } from '../../src/webhooks/relay/callback-relay.js';
import { JobRetentionStore } from '../../src/jobs/persistence/job-retention.store.js';
import { Transactions } from '../../src/platform/database/transactions.js';
import { eventually, type TestGateway } from '../support/gateway.js';
import { recoverDue, submitDue } from '../support/due-work.js';
import { startIdleGateway } from '../support/idle-worker.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';

const SVIX_SECRET = `whsec_${randomBytes(24).toString('base64')}`;

/* Upstream jobs that become known when their jobs have ended or are deleted. No worker runs by itself. */

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
const get = <T>(type: new (...args: never[]) => T): T => gateway.app.get(type, { strict: false });

beforeAll(async () => {
  upstream = await startRawUpstream({ other: { status: 202, body: '{"job_id":"any"}' } });
  defaults = { ...upstream.answers };
  gateway = await startIdleGateway({
    REDUCTO_BASE_URL: upstream.url,
    UNCERTAIN_SCHEDULE_SECONDS: '600',
    SVIX_SECRETS: SVIX_SECRET,
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(() => {
  upstream.requests.length = 0;
});
afterEach(async () => {
  Object.assign(upstream.answers, defaults);
  await gateway.pool.query(
    'DELETE FROM jobs; DELETE FROM upstream_deletions; DELETE FROM upstream_rate; DELETE FROM callback_inbox',
  );
});

const requests = (): string[] =>
  upstream.requests.flatMap(({ method, path }) =>
    method === 'DELETE' || path.startsWith('/cancel/') ? [`${method} ${path}`] : [],
  );
const REMOVED = (id: string): string[] => [
  `POST /cancel/${id}`,
  `DELETE /job/${id}?include_persisted=true`,
];

const row = async (id: string) =>
  (await gateway.pool.query('SELECT * FROM jobs WHERE id = $1', [id])).rows[0];

/** A job that has ended, with these changes of its row. */
async function ended(changes = `status = 'expired'`): Promise<string> {
  const id = randomUUID();
  await gateway.pool.query(
    `INSERT INTO jobs (id, service, type, ended_at, status, submit_attempts)
     VALUES ($1, 'invoices', 'parse', now(), 'failed', 1)`,
    [id],
  );
  await gateway.pool.query(`UPDATE jobs SET ${changes} WHERE id = $1`, [id]);
  return id;
}
async function deleted(changes?: string): Promise<string> {
  const id = await ended(changes);
  expect((await gateway.call('DELETE', `/v1/jobs/${id}`)).status).toBe(202);
  return id;
}

const metadataOf = (id: string) => ({
  gateway_job_id: id,
  token: gateway.tokens.signJobId(id),
});
const rawConfigOf = (id: string): string => JSON.stringify({ async: { metadata: metadataOf(id) } });
/** What `GET /job` shows of the upstream job of `id`. */
const shownAs = (id: string) => ({
  body: JSON.stringify({ status: 'Pending', raw_config: rawConfigOf(id) }),
});
const listing = (upstreamId: string, id: string) => ({
  body: JSON.stringify({
    jobs: [
      {
        job_id: upstreamId,
        status: 'InProgress',
        created_at: new Date().toISOString(),
        raw_config: rawConfigOf(id),
      },
    ],
    next_cursor: null,
  }),
});

/** Sends a callback, relays it, and deletes what is to be deleted. */
async function receiveCallback(id: string, upstreamId: string): Promise<number> {
  const body = { status: 'Completed', job_id: upstreamId, metadata: metadataOf(id) };
  const { status } = await gateway.call('POST', '/webhooks/reducto', body);
  await get(CallbackRelay).perform();
  await get(DeletionWork).perform();
  return status;
}

/** Sends callbacks that the relay takes together. */
async function receiveTogether(
  id: string,
  callbacks: readonly { upstreamId: string; isSigned: boolean }[],
): Promise<void> {
  for (const { upstreamId, isSigned } of callbacks) {
    const body = JSON.stringify({
      status: 'Completed',
      job_id: upstreamId,
      metadata: metadataOf(id),
    });
    const headers = { 'content-type': 'application/json', ...(isSigned ? signed(body) : {}) };
    expect((await gateway.call('POST', '/webhooks/reducto', body, headers)).status).toBe(200);
  }
  await get(CallbackRelay).perform();
}

function signed(body: string): Record<string, string> {
  const at = new Date();
  const id = `msg_${randomUUID()}`;
  return {
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
    'svix-signature': new Webhook(SVIX_SECRET).sign(id, at, body),
  };
}

async function deleteDue(): Promise<void> {
  await gateway.pool.query('UPDATE upstream_deletions SET next_attempt_at = now()');
  await get(DeletionWork).perform();
}
const queued = async (): Promise<unknown[]> =>
  (await gateway.pool.query('SELECT job_id, upstream_id FROM upstream_deletions')).rows;

/** A search of Reducto's listing for another job. */
async function search(): Promise<void> {
  const id = await ended(
    `status = 'uncertain', ended_at = NULL, submit_started_at = now(), next_check_at = now()`,
  );
  await recoverDue(gateway);
  expect((await row(id)).status).toBe('uncertain');
}

describe('the upstream job of a deleted job', () => {
  it('is cancelled and deleted if the answer to the submit comes later', async () => {
    const id = await deleted();
    const steps = get(SubmissionTransitions);
    expect(await steps.markSubmitted({ id }, 'late', 'answer')).toBe(false);
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('late'));
    expect(await queued()).toEqual([]);
  });

  it('is cancelled and deleted if a walk through the listing shows it', async () => {
    const id = await deleted();
    upstream.answers.list = listing('listed', id);
    await search();
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('listed'));
  });

  it('is cancelled and deleted if a callback names it and Reducto confirms it', async () => {
    const id = await deleted();
    upstream.answers.poll = shownAs(id);
    expect(await receiveCallback(id, 'called')).toBe(200);
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('is cancelled and deleted if a callback named it before the deletion', async () => {
    const id = await ended();
    await gateway.pool.query(
      `INSERT INTO job_events (job_id, type, detail) VALUES ($1, 'callback_received', '{"upstreamId":"early"}')`,
      [id],
    );
    upstream.answers.poll = shownAs(id);
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    expect(await row(id)).toMatchObject({ deleted_at: null });
    await deleteDue();
    expect(requests()).toEqual(REMOVED('early'));
    expect(await row(id)).toMatchObject({ deleted_at: expect.any(Date) });
  });

  it('is cancelled and deleted if a callback names a second one', async () => {
    const id = await deleted(`upstream_id = 'first-' || id`);
    await deleteDue();
    upstream.requests.length = 0;
    upstream.answers.poll = shownAs(id);
    expect(await receiveCallback(id, 'second')).toBe(404);
    expect(requests()).toEqual(REMOVED('second'));
  });

  it('is kept if Reducto shows the request of another job', async () => {
    const id = await deleted();
    upstream.answers.poll = shownAs(randomUUID());
    await receiveCallback(id, 'theirs');
    expect(requests()).toEqual([]);
    expect(await queued()).toEqual([]);
  });

  it('is kept if it belongs to another job', async () => {
    await ended(`upstream_id = 'owned'`);
    const id = await deleted();
    upstream.answers.poll = shownAs(id);
    await receiveCallback(id, 'owned');
    expect(await get(SubmissionTransitions).markSubmitted({ id }, 'owned', 'answer')).toBe(false);
    await deleteDue();
    expect(requests()).toEqual([]);
  });

  it.each([
    ['Reducto is away', { status: 503, body: '{}' }],
    ['a proxy answers without a status', { body: '{"message":"Sign in first"}' }],
  ])('waits for the confirmation while %s', async (_, answer) => {
    const id = await deleted();
    upstream.answers.poll = answer;
    await receiveCallback(id, 'called');
    expect(requests()).toEqual([]);
    await gateway.pool.query('DELETE FROM upstream_rate');
    upstream.answers.poll = shownAs(id);
    await deleteDue();
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('is cancelled before the next attempt if Reducto does not delete it while it runs', async () => {
    await deleted(`upstream_id = 'running'`);
    upstream.answers.other = { status: 409, body: '{"error":{"name":"JOB_NOT_COMPLETE"}}' };
    await deleteDue();
    Object.assign(upstream.answers, defaults);
    await deleteDue();
    expect(requests()).toEqual([
      'DELETE /job/running?include_persisted=false',
      'POST /cancel/running',
      'DELETE /job/running?include_persisted=false',
    ]);
  });
});

describe('the upstream job of a job that ended without it', () => {
  it('is cancelled and deleted if the answer to the submit comes later', async () => {
    const id = await gateway.submit();
    upstream.answers.submit = async () => {
      await gateway.pool.query(
        `UPDATE jobs SET status = 'expired', ended_at = now(), next_check_at = NULL WHERE id = $1`,
        [id],
      );
      return { body: '{"job_id":"orphan"}' };
    };
    await submitDue(gateway);
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('orphan'));
  });

  it('is not forgotten by the death of the process that learned of it', async () => {
    const id = await ended();
    await get(SubmissionTransitions).markSubmitted({ id }, 'late', 'answer');
    // As a process leaves it that dies during its request.
    await gateway.pool.query(
      `UPDATE upstream_deletions SET attempts = 1, next_attempt_at = now() - interval '1 s'`,
    );
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('late'));
  });

  it('is kept until the job is deleted if a walk through the listing shows it', async () => {
    const id = await ended();
    upstream.answers.list = listing('listed', id);
    await search();
    await get(DeletionWork).perform();
    expect(requests()).toEqual([]);
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    expect(await row(id)).toMatchObject({ deleted_at: null });
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('listed'));
    expect(await row(id)).toMatchObject({ deleted_at: expect.any(Date) });
  });

  it('is kept until the job is deleted if a callback names it', async () => {
    const id = await ended();
    upstream.answers.poll = shownAs(id);
    expect(await receiveCallback(id, 'called')).toBe(200);
    expect(requests()).toEqual([]);
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('is kept until the job is deleted if a callback names it beside another one', async () => {
    const id = await ended(`upstream_id = 'first-' || id`);
    upstream.answers.poll = shownAs(id);
    expect(await receiveCallback(id, 'second')).toBe(404);
    expect(requests()).toEqual([]);
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    await get(DeletionWork).perform();
    expect(requests()).toEqual(expect.arrayContaining(REMOVED('second')));
  });

  it('is removed without a confirmation if a signed callback names it after another one', async () => {
    const id = await ended();
    await receiveTogether(id, [{ upstreamId: 'called', isSigned: false }]);
    await receiveTogether(id, [{ upstreamId: 'called', isSigned: true }]);
    upstream.answers.poll = { body: '{"status":"Completed"}' };
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('is removed without a confirmation if one of several callbacks that name it is signed', async () => {
    const id = await ended();
    await receiveTogether(id, [
      { upstreamId: 'called', isSigned: false },
      { upstreamId: 'called', isSigned: true },
    ]);
    upstream.answers.poll = { body: '{"status":"Completed"}' };
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('is due at once if a signed callback names it after its job was deleted', async () => {
    const id = await deleted();
    await receiveTogether(id, [{ upstreamId: 'called', isSigned: false }]);
    await receiveTogether(id, [{ upstreamId: 'called', isSigned: true }]);
    upstream.answers.poll = { body: '{"status":"Completed"}' };
    await get(DeletionWork).perform();
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('needs a confirmation if the signed callback names another one beyond the limit of messages', async () => {
    const id = await ended();
    const forged = Array.from({ length: 20 }, (_, n) => ({
      upstreamId: `forged-${n}`,
      isSigned: false,
    }));
    await receiveTogether(id, forged);
    await receiveTogether(id, [{ upstreamId: 'called', isSigned: true }]);
    const { rows } = await gateway.pool.query(
      `SELECT DISTINCT origin FROM upstream_deletions WHERE job_id = $1`,
      [id],
    );
    expect(rows).toEqual([{ origin: 'callback' }]);
  });

  it('is forgotten with the job', async () => {
    const id = await ended(`ended_at = now() - interval '400 days'`);
    await receiveCallback(id, 'called');
    expect(await queued()).toHaveLength(1);
    await get(Transactions).run((manager) => get(JobRetentionStore).deleteJobs(manager, 365, 10));
    expect(await queued()).toEqual([]);
  });

  it('waits for the deletion of its job that is under way, and is deleted then', async () => {
    const id = await ended();
    const session = await gateway.pool.connect();
    try {
      await session.query('BEGIN');
      await session.query('SELECT FROM jobs WHERE id = $1 FOR UPDATE', [id]);
      await session.query(
        'UPDATE jobs SET deletion_requested_at = now(), deleted_at = now() WHERE id = $1',
        [id],
      );
      upstream.answers.poll = shownAs(id);
      const received = receiveCallback(id, 'called');
      await eventually('the relay waits', async () => {
        const { rows } = await gateway.pool.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rows.length > 0 ? true : undefined;
      });
      await session.query('COMMIT');
      await received;
    } finally {
      session.release();
    }
    expect(requests()).toEqual(REMOVED('called'));
  });

  it('is kept if the job is open and has no other', async () => {
    const id = await ended(`status = 'uncertain', ended_at = NULL`);
    upstream.answers.list = listing('mine', id);
    await search();
    await get(DeletionWork).perform();
    expect(requests()).toEqual([]);
  });
});

it('a listing without the job of a deleted job can prove that another submit made nothing', async () => {
  await deleted(
    `upstream_id = 'gone', status = 'completed', submitted_at = now() - interval '1 minute'`,
  );
  const id = await ended(
    `status = 'uncertain', ended_at = NULL, created_at = now() - interval '1 minute', request = '{}',
     submit_started_at = now() - interval '1 minute', uncertain_since = now() - interval '1 minute', next_check_at = now()`,
  );
  await recoverDue(gateway);
  expect((await row(id)).status).toBe('queued');
});
