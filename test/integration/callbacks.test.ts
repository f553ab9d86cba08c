import { randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  send,
  startGateway,
  type Answer,
  type TestGateway,
} from '../support/gateway.js';
import { metricValue } from '../support/metrics.js';

const SVIX_OLD = `whsec_${randomBytes(24).toString('base64')}`;
const SVIX_NEW = `whsec_${randomBytes(24).toString('base64')}`;
const OLD_KEY = randomBytes(32).toString('base64');

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({
    SVIX_SECRETS: `${SVIX_NEW},${SVIX_OLD}`,
    TOKEN_KEYS: `2:${randomBytes(32).toString('base64')},1:${OLD_KEY}`,
    POLL_SCHEDULE_SECONDS: '600',
  });
});
afterAll(() => gateway.close());

function callback(
  body: unknown,
  headers: Record<string, string> = {},
  to = gateway,
): Promise<Answer> {
  return send(`${to.url}/webhooks/reducto`, 'POST', body, headers);
}

/** A job that waits for its callback, which never comes by itself. */
async function waitingJob(
  to = gateway,
): Promise<{ id: string; upstreamId: string; message: Record<string, unknown> }> {
  const id = await to.submit({ sim: { webhook: { send: 'never' } } });
  const upstreamId = await eventually('an upstream id', async () => {
    const { rows } = await to.pool.query(
      `SELECT upstream_id FROM jobs WHERE id = $1 AND status = 'submitted'`,
      [id],
    );
    return rows[0]?.upstream_id as string | undefined;
  });
  const metadata = { gateway_job_id: id, token: to.tokens.signJobId(id) };
  return { id, upstreamId, message: { status: 'Completed', job_id: upstreamId, metadata } };
}

const refused = (cause: string, by = gateway): Promise<number> =>
  metricValue(by, 'gateway_callbacks_refused_total', { cause });

function signed(
  body: string,
  secret: string,
  options: { at?: Date; prefix?: string; id?: string } = {},
): Record<string, string> {
  const { at = new Date(), prefix = 'svix', id = `msg_${randomUUID()}` } = options;
  return {
    'content-type': 'application/json',
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(Math.floor(at.getTime() / 1000)),
    [`${prefix}-signature`]: new Webhook(secret).sign(id, at, body),
  };
}

describe('a genuine callback', () => {
  it('is durable before the 200, and completes the job', async () => {
    const { id, message } = await waitingJob();
    const { status, body } = await callback(message);
    expect([status, body]).toEqual([200, { received: true }]);
    const { rows } = await gateway.pool.query(
      `SELECT proved_by, status FROM callback_inbox WHERE job_id = $1
       UNION ALL SELECT proved_by, status FROM callbacks WHERE job_id = $1`,
      [id],
    );
    expect(rows).toEqual([{ proved_by: 'token', status: 'Completed' }]);
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'webhook' });
  });

  it('is harmless twice, at once, and after the end', async () => {
    const { id, message } = await waitingJob();
    const answers = await Promise.all(Array.from({ length: 10 }, () => callback(message)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await gateway.ended(id);
    expect((await callback(message)).status).toBe(200);
    expect((await callback({ ...message, status: 'Failed' })).status).toBe(200);
    const job = await gateway.call('GET', `/v1/jobs/${id}`);
    expect(job.body.status).toBe('completed');
    const events = async (of: string): Promise<number> =>
      (await gateway.events(id)).filter((type) => type === of).length;
    await expect.poll(() => events('callback_received')).toBe(2);
    expect(await events('completed')).toBe(1);
    const { rows } = await gateway.pool.query(
      `SELECT deliveries FROM callbacks WHERE job_id = $1 AND status = 'Completed'`,
      [id],
    );
    expect(rows[0]?.deliveries).toBe(11);
  });

  it('only triggers a poll, whatever status it asserts', async () => {
    const { id, message } = await waitingJob();
    expect((await callback({ ...message, status: 'Exploded', extra: { deep: [1] } })).status).toBe(
      200,
    );
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
  });

  it('may come before the answer to the submit', async () => {
    const id = await gateway.submit({ sim: { webhook: { send: 'beforeResponse' } } });
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'webhook' });
  });

  it('may say Completed while Reducto still says Pending', async () => {
    const id = await gateway.submit({
      sim: { webhook: { send: 'early' }, poll: { pendingReads: 2 } },
    });
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'webhook' });
  });

  it('is proven by an older token key while keys are exchanged', async () => {
    const { id, message } = await waitingJob();
    const { CallbackTokenService } = await import('../../src/jobs/callback-token.service.js');
    const old = new CallbackTokenService(
      gateway.settings.with({ TOKEN_KEYS: [{ version: 1, key: Buffer.from(OLD_KEY, 'base64') }] }),
    );
    expect(
      (await callback({ ...message, metadata: { gateway_job_id: id, token: old.signJobId(id) } }))
        .status,
    ).toBe(200);
  });

  it.each([
    ['the new secret', SVIX_NEW, 'svix'],
    ['the old secret', SVIX_OLD, 'svix'],
    ['white-labelled headers', SVIX_NEW, 'webhook'],
  ])('is proven by a Svix signature with %s', async (_, secret, prefix) => {
    const { id, upstreamId } = await waitingJob();
    const body = JSON.stringify({ status: 'Completed', job_id: upstreamId, metadata: null });
    expect((await callback(body, signed(body, secret, { prefix }))).status).toBe(200);
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'webhook' });
  });

  it('of another environment on the same Svix account is noted and ignored', async () => {
    const body = JSON.stringify({
      status: 'Completed',
      job_id: randomUUID(),
      metadata: { whose: 'theirs' },
    });
    const before = await refused('job_unknown');
    expect((await callback(body, signed(body, SVIX_NEW))).status).toBe(200);
    expect(await refused('job_unknown')).toBe(before + 1);
  });
});

describe('a callback that is refused', () => {
  it.each<
    [
      string,
      number,
      string,
      (message: Record<string, unknown>) => [unknown, Record<string, string>?],
    ]
  >([
    ['no metadata', 401, 'token_missing', ({ status, job_id }) => [{ status, job_id }]],
    ['null metadata', 401, 'token_missing', (message) => [{ ...message, metadata: null }]],
    [
      'a made-up token',
      401,
      'token_invalid',
      (message) => [{ ...message, metadata: { gateway_job_id: randomUUID(), token: 'v1.x' } }],
    ],
    ['broken JSON', 400, 'not_json', () => ['{"status":', { 'content-type': 'application/json' }]],
    ['a JSON array', 400, 'not_a_callback', () => [[]]],
    [
      'a job id with a path in it',
      400,
      'not_a_callback',
      (message) => [{ ...message, job_id: '../x?y' }],
    ],
    [
      'a form',
      415,
      'wrong_content_type',
      () => ['a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
    ],
    [
      'more than 64 KiB',
      413,
      'too_large',
      (message) => [{ ...message, extra: 'x'.repeat(70_000) }],
    ],
    [
      'half of the Svix headers',
      401,
      'signature_incomplete',
      (message) => [message, { 'svix-id': 'msg_1' }],
    ],
    [
      'a bad signature over a good token',
      401,
      'signature_invalid',
      (message) => [message, { ...signed('other', SVIX_NEW) }],
    ],
  ])('%s: %i %s', async (_, status, cause, make) => {
    const { id, message } = await waitingJob();
    const before = await refused(cause);
    const answer = await callback(...make(message));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
    expect(await refused(cause)).toBe(before + 1);
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.status).toBe('submitted');
  });

  it('the token of another job: 401', async () => {
    const [mine, other] = [await waitingJob(), await waitingJob()];
    const metadata = { gateway_job_id: mine.id, token: gateway.tokens.signJobId(other.id) };
    expect((await callback({ ...mine.message, metadata })).status).toBe(401);
  });

  it('a good token with the upstream id of another job: 404', async () => {
    const [mine, other] = [await waitingJob(), await waitingJob()];
    const { status, body } = await callback({ ...mine.message, job_id: other.upstreamId });
    expect([status, body.code]).toEqual([404, 'callback_refused_job']);
  });

  it('a good token of a job that was never there: 404', async () => {
    const id = randomUUID();
    const metadata = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
    expect((await callback({ status: 'Completed', job_id: 'x', metadata })).status).toBe(404);
  });

  it.each([
    ['replayed after six minutes', { at: new Date(Date.now() - 6 * 60_000) }],
    ['signed for the future', { at: new Date(Date.now() + 6 * 60_000) }],
  ])('a Svix message %s: 401', async (_, options) => {
    const { message } = await waitingJob();
    const body = JSON.stringify(message);
    expect((await callback(body, signed(body, SVIX_NEW, options))).status).toBe(401);
  });

  it('a Svix message with the same JSON in other bytes: 401', async () => {
    const { message } = await waitingJob();
    const headers = signed(JSON.stringify(message), SVIX_NEW);
    expect((await callback(JSON.stringify(message, null, 1), headers)).status).toBe(401);
  });

  it('another method: 405', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expect((await send(`${gateway.url}/webhooks/reducto`, method)).status).toBe(405);
    }
  });
});

describe('the guard of the source address', () => {
  let guarded: TestGateway;
  beforeAll(async () => {
    guarded = await startGateway({
      WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24,2001:db8::/32',
      TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8',
    });
  });
  afterAll(() => guarded.close());

  it.each([
    ['203.0.113.9', 200],
    ['198.51.100.1, 203.0.113.9', 200],
    ['203.0.113.9, 10.1.2.3', 200],
    ['::ffff:203.0.113.9', 200],
    ['2001:db8::1', 200],
    ['[2001:db8::1]:443', 200],
    ['203.0.113.9, 198.51.100.1', 403],
    ['198.51.100.1', 403],
    ['203.0.113.9, nonsense', 403],
    ['nonsense', 403],
    ['203.0.113.999', 403],
    ['', 403],
  ])('with X-Forwarded-For "%s": %i', async (forwardedFor, expected) => {
    const { message } = await waitingJob(guarded);
    expect((await callback(message, { 'x-forwarded-for': forwardedFor }, guarded)).status).toBe(
      expected,
    );
  });

  it('records that the secret was right, which tells a proxy mistake from an attack', async () => {
    const { message } = await waitingJob(guarded);
    guarded.logs.length = 0;
    await callback(message, { 'x-forwarded-for': '198.51.100.1' }, guarded);
    const refusal = guarded.logs
      .map((line) => JSON.parse(line))
      .find((line) => line.cause === 'address_not_allowed');
    expect(refusal).toMatchObject({
      clientAddress: '198.51.100.1',
      verdicts: { source_ip: 'fail', secret: 'pass', job_id: 'not_checked' },
    });
  });
});

it('a guard that observes records and lets pass; what it lets pass costs one poll and nothing else', async () => {
  const open = await startGateway({ GUARD_SECRET: 'observe', POLL_SCHEDULE_SECONDS: '600' });
  try {
    const id = await open.submit({ sim: { stuck: 'InProgress', webhook: { send: 'never' } } });
    const upstreamId = await eventually('an upstream id', () => open.sandbox.jobs.all()[0]?.id);
    await eventually(
      'submitted',
      async () => (await open.events(id)).includes('submitted') || undefined,
    );
    const forged = {
      status: 'Completed',
      job_id: upstreamId,
      metadata: { gateway_job_id: id, token: 'forged' },
    };
    expect((await callback(forged, {}, open)).status).toBe(200);
    await eventually('a poll', async () => (await open.events(id)).includes('polled') || undefined);
    expect((await open.call('GET', `/v1/jobs/${id}`)).body.status).toBe('submitted');
    expect(await refused('token_invalid', open)).toBe(1);
  } finally {
    await open.close();
  }
});

it('works from end to end with Svix, channels and all', async () => {
  const svix = await startGateway(
    {
      WEBHOOK_MODE: 'svix',
      SVIX_CHANNELS: 'prod',
      SVIX_SECRETS: SVIX_OLD,
      POLL_SCHEDULE_SECONDS: '600',
    },
    { platform: { svixSecrets: [SVIX_NEW, SVIX_OLD], svixChannels: ['prod'] } },
  );
  try {
    await send(`${svix.sandbox.controlUrl}/platform`, 'POST', {
      svixUrl: `${svix.url}/webhooks/reducto`,
    });
    expect(await svix.ended(await svix.submit())).toMatchObject({
      status: 'completed',
      settledBy: 'webhook',
    });
  } finally {
    await svix.close();
  }
});

it('one that is too large does not hold up the next one on its connection', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sent = (body: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const options = { method: 'POST', agent, headers };
      const call = request(`${gateway.url}/webhooks/reducto`, options, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      });
      call.on('error', reject).end(body);
    });
  try {
    expect(await sent(JSON.stringify({ pad: 'x'.repeat(400_000) }))).toBe(413);
    expect(await sent('{}')).toBe(400);
  } finally {
    agent.destroy();
  }
});
