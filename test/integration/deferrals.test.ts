import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { startRawUpstream, type RawAnswers, type RawUpstream } from '../support/raw-upstream.js';

/* The `reason` of a deferred job says why and until when; `error` says why it ended. */

let gateway: TestGateway;
let upstream: RawUpstream;
let defaults: RawAnswers;
beforeAll(async () => {
  upstream = await startRawUpstream();
  defaults = { ...upstream.answers };
  gateway = await startGateway({
    REDUCTO_BASE_URL: upstream.url,
    REDUCTO_SUBMIT_TIMEOUT_SECONDS: '1',
    UNCERTAIN_SCHEDULE_SECONDS: '600',
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(async () => {
  await gateway.pool.query('DELETE FROM jobs; DELETE FROM upstream_rate');
  Object.assign(upstream.answers, defaults);
});

const jobOf = async (id: string) => (await gateway.call('GET', `/v1/jobs/${id}`)).body;
const AT = /at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\.$/;

/** The reason, once there is one, with its moment replaced by `at …`. */
async function reasonOf(id: string): Promise<string> {
  const reason = await eventually('a reason', async (): Promise<string | undefined> => {
    const job = await jobOf(id);
    return job.error === null ? (job.reason ?? undefined) : undefined;
  });
  expect(Date.parse(AT.exec(reason)?.[1] ?? '')).toBeGreaterThan(Date.now() - 60_000);
  return reason.replace(AT, 'at …');
}

const SECRET = 'v1.AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQ';
const echo = (status: number, headers = {}) => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: `{"detail":"you sent ${SECRET} and document.pdf"}`,
});

it.each([
  [
    'a submit that Reducto defers',
    { submit: echo(429, { 'retry-after': '100' }) },
    'Reducto answered 429; the gateway submits the job again at …',
  ],
  [
    'a submit whose answer was lost',
    { submit: echo(502) },
    'Reducto’s answer to the submit was lost; the gateway searches for the job at Reducto at …',
  ],
  [
    'a poll that fails',
    { poll: echo(500) },
    'Reducto answered 500; the gateway polls the job again at …',
  ],
  [
    'a poll that gets no answer',
    { poll: { breakOff: true } },
    /^(The connection to Reducto failed( \(\w+\))?|Polling backs off( because Reducto is unavailable, limits requests, or refuses the API key of the gateway)?); the gateway polls the job again at …$/,
  ],
  [
    'an answer that cannot be used',
    { poll: { body: '{"status":"Completed","result":NaN}' } },
    'Reducto’s answer about the job cannot be used; the gateway polls the job again at …',
  ],
  [
    'a result that cannot be fetched',
    {
      poll: {
        body: '{"status":"Completed","result":{"result":{"type":"url","url":"https://x/y?sig=1"}}}',
      },
    },
    'Reducto completed the job, but its result cannot be fetched; the gateway tries again at …',
  ],
  [
    'a job that Reducto does not know yet',
    { poll: echo(404) },
    'Reducto does not know the job (yet); the gateway polls the job again at …',
  ],
] as const)(
  '%s shows why and until when, without a word of the answer',
  async (_, answers, reason) => {
    Object.assign(upstream.answers, answers);
    const id = await gateway.submit();
    // A cool-down of the case before may explain the first moments.
    await expect.poll(() => reasonOf(id)).toMatch(reason);
    expect(await reasonOf(id)).not.toContain('document');
  },
);

it('shows which job a deferred job waits for and until when', async () => {
  const source = await gateway.submit();
  const id = await gateway.submit({ input: `jobid://${source}` });
  expect(await reasonOf(id)).toBe(
    `Job ${source}, whose result the job needs, has not completed; the gateway submits the job once it has, and checks again at …`,
  );
});

it('shows reason and end of a cool-down in every view of a job', async () => {
  const admin = await gateway.newKey('platform', ['admin']);
  const readers = await startGateway({
    DATABASE_URL: String(gateway.settings.DATABASE_URL),
    ROLES: 'api',
    REDUCTO_BASE_URL: upstream.url,
  });
  try {
    const ids = await Promise.all([gateway.submit(), gateway.submit(), gateway.submit()]);
    for (const id of ids) {
      await eventually('the submit', async () =>
        (await jobOf(id)).status === 'submitted' ? true : undefined,
      );
    }
    await gateway.app
      .get(UpstreamRateLimiter, { strict: false })
      .polls.reportOutcome('unavailable', { retryAfterSeconds: 100 });
    const expected =
      /^Polling backs off( because Reducto is unavailable, limits requests, or refuses the API key of the gateway)?; the gateway polls the job again at …$/;
    for (const id of ids) {
      const reason = await reasonOf(id);
      expect(reason).toMatch(expected);
    }
    const shown = [
      ...(await gateway.call('GET', '/v1/jobs')).body.jobs,
      ...(
        await gateway.call('GET', '/v1/admin/jobs', undefined, { authorization: `Bearer ${admin}` })
      ).body.jobs,
      (
        await readers.call('GET', `/v1/jobs/${ids[0]}`, undefined, {
          authorization: `Bearer ${gateway.key}`,
        })
      ).body,
    ];
    expect(shown).toHaveLength(7);
    for (const { reason } of shown) {
      expect(reason.replace(AT, 'at …')).toMatch(expected);
      expect(Date.parse(AT.exec(reason)?.[1] ?? '')).toBeGreaterThan(Date.now() + 60_000);
    }
    await gateway.pool.query('DELETE FROM upstream_rate');
    for (const id of ids) {
      await eventually('no reason', async () =>
        (await jobOf(id)).reason === null ? true : undefined,
      );
    }
  } finally {
    await readers.close();
  }
});

it('shows a failed connection as the reason of a deferred submit', async () => {
  const lonely = await startGateway({ REDUCTO_BASE_URL: 'http://127.0.0.1:9' });
  try {
    const id = await lonely.submit();
    const reason = await eventually('a reason', async () => {
      const { body } = await lonely.call('GET', `/v1/jobs/${id}`);
      return (body.reason as string | null) ?? undefined;
    });
    expect(reason).toMatch(
      /^The connection to Reducto failed \(ECONNREFUSED\); the gateway submits the job again at /,
    );
  } finally {
    await lonely.close();
  }
});

it('removes the reason of a deferral once the job proceeds', async () => {
  let asked = 0;
  upstream.answers.submit = () =>
    (asked += 1) === 1 ? { status: 503, body: '{}' } : { body: '{"job_id":"made"}' };
  upstream.answers.poll = () =>
    asked < 5 ? { body: '{"status":"Pending"}' } : { body: '{"status":"Failed"}' };
  const id = await gateway.submit();
  await reasonOf(id);
  await eventually('the submit', async () =>
    (await jobOf(id)).status === 'submitted' ? true : undefined,
  );
  expect(await jobOf(id)).toMatchObject({ reason: null, error: null });
  asked = 5;
  expect(await gateway.ended(id)).toMatchObject({ reason: 'Reducto gave no reason' });
});
