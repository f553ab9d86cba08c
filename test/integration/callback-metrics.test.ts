import { randomBytes, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishedUpstream } from '../support/console.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';
import { metricValue } from '../support/metrics.js';

/* Accepted callbacks are counted by their proof. */

const SECRET = `whsec_${randomBytes(24).toString('base64')}`;
const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };

let enforcing: TestGateway;
let observing: TestGateway;
beforeAll(async () => {
  enforcing = await startGateway({ ...QUIET, SVIX_SECRETS: SECRET });
  observing = await startGateway({ ...QUIET, GUARD_SECRET: 'observe' });
});
afterAll(async () => {
  await enforcing.close();
  await observing.close();
});

interface Message {
  status: string;
  job_id: string;
  metadata?: Record<string, string>;
}

/** Of a job whose own callback never comes. */
async function messageOf(gateway: TestGateway, token: boolean): Promise<Message> {
  const id = await gateway.submit({ sim: { webhook: { send: 'never' } } });
  const upstreamId = await finishedUpstream(gateway, id);
  const metadata = {
    gateway_job_id: id,
    ...(token ? { token: gateway.tokens.signJobId(id) } : {}),
  };
  return { status: 'Completed', job_id: upstreamId, metadata };
}

function post(
  gateway: TestGateway,
  body: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const json = { 'content-type': 'application/json', ...headers };
  return send(`${gateway.url}/webhooks/reducto`, 'POST', body, json).then(({ status }) => status);
}

function signed(body: string): Record<string, string> {
  const [id, at] = [`msg_${randomUUID()}`, new Date()];
  return {
    'svix-id': id,
    'svix-timestamp': String(Math.floor(at.getTime() / 1000)),
    'svix-signature': new Webhook(SECRET).sign(id, at, body),
  };
}

async function accepted(gateway: TestGateway): Promise<Record<string, number>> {
  const of = (proof: string): Promise<number> =>
    metricValue(gateway, 'gateway_callbacks_accepted_total', { proof });
  return { token: await of('token'), svix: await of('svix'), none: await of('none') };
}

describe('an accepted callback is counted', () => {
  it('as proven by its token', async () => {
    const before = await accepted(enforcing);
    expect(await post(enforcing, JSON.stringify(await messageOf(enforcing, true)))).toBe(200);
    expect(await accepted(enforcing)).toEqual({ ...before, token: (before['token'] ?? 0) + 1 });
  });

  it('as proven by its signature', async () => {
    const before = await accepted(enforcing);
    const body = JSON.stringify(await messageOf(enforcing, false));
    expect(await post(enforcing, body, signed(body))).toBe(200);
    expect(await accepted(enforcing)).toEqual({ ...before, svix: (before['svix'] ?? 0) + 1 });
  });

  it('as unproven if the secret guard only observes', async () => {
    const before = await accepted(observing);
    expect(await post(observing, JSON.stringify(await messageOf(observing, false)))).toBe(200);
    expect(await accepted(observing)).toEqual({ ...before, none: (before['none'] ?? 0) + 1 });
  });
});

it('does not count a signed message of another environment as accepted', async () => {
  const before = await accepted(enforcing);
  const body = JSON.stringify({ status: 'Completed', job_id: randomUUID() });
  expect(await post(enforcing, body, signed(body))).toBe(200);
  expect(await accepted(enforcing)).toEqual(before);
});
