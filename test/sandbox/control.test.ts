import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { newSecret } from '../../src/sandbox/webhooks/svix-signature.js';
import {
  anyDocument,
  bench,
  call,
  ended,
  post,
  receiver,
  submit,
  submitAndEnd,
} from './support.js';

describe('rules', () => {
  test('apply to the given number of matching submits', async () => {
    const { sandbox, client } = await bench();
    const rule = { match: { type: 'extract' }, times: 1, sim: { submit: { fault: '401' } } };
    expect((await post(`${sandbox.controlUrl}/faults`, rule)).status).toBe(200);
    await submit(client, anyDocument, 'parse');
    await expect(submit(client, anyDocument, 'extract')).rejects.toMatchObject({ status: 401 });
    await submit(client, anyDocument, 'extract');
    expect((await call(`${sandbox.controlUrl}/faults`)).json).toEqual([]);
  });

  test('match on the body, and the switches of the request override them', async () => {
    const test = await bench();
    test.sandbox.rules.add({
      match: { bodyIncludes: { async: { metadata: { tenant: 'a' } } } },
      sim: { outcome: 'failed', reason: 'by rule' },
    });
    const async = { metadata: { tenant: 'a', more: 1 } };
    const outcomes = [
      await submitAndEnd(test, { ...anyDocument, async }),
      await submitAndEnd(test, { ...anyDocument, async: { metadata: { tenant: 'b' } } }),
      await submitAndEnd(test, { ...anyDocument, async, sim: { outcome: 'completed' } }),
    ].map((id) => test.sandbox.jobs.find(id)?.status);
    expect(outcomes).toEqual(['Failed', 'Completed', 'Completed']);
  });

  test('no longer apply after they are cleared', async () => {
    const { sandbox, client } = await bench();
    sandbox.rules.add({ sim: { submit: { fault: '401' } } });
    await call(`${sandbox.controlUrl}/faults`, { method: 'DELETE' });
    expect(await submit(client, anyDocument)).toEqual(expect.any(String));
  });

  test.each([
    ['/faults', { sim: { webhook: { sent: 'never' } } }, ['body', 'sim', 'webhook', 'sent']],
    ['/faults', { match: { kind: 'parse' } }, ['body', 'match', 'kind']],
    ['/platform', { outage: true }, ['body', 'outage']],
    ['/clock/advance', { days: 1 }, ['body', 'days']],
  ])('%s refuses the unknown name in %j', async (path, body, loc) => {
    const { sandbox } = await bench();
    expect(await post(sandbox.controlUrl + path, body)).toMatchObject({
      status: 422,
      json: { detail: [{ loc, type: 'unknown_switch' }] },
    });
  });
});

test('describes every switch', async () => {
  const { sandbox } = await bench();
  expect((await call(`${sandbox.controlUrl}/switches`)).json).toMatchObject({
    sim: { webhook: { send: expect.stringContaining('beforeResponse') } },
    rule: { times: expect.any(String) },
    platform: { clockSkewMs: expect.any(String) },
  });
});

test('shows a job with its request and the number of its submits', async () => {
  const { sandbox, client } = await bench();
  const body = { ...anyDocument, async: { metadata: { a: 1 } }, sim: { stuck: 'InProgress' } };
  await submit(client, body);
  const id = await submit(client, body);
  await sandbox.jobs.waitFor((job) => job.id === id && job.status === 'InProgress');
  expect((await call(`${sandbox.controlUrl}/jobs`)).json).toHaveLength(2);
  expect((await call(`${sandbox.controlUrl}/jobs/${id}`)).json).toMatchObject({
    id,
    status: 'InProgress',
    body,
    submits: 2,
    deliveries: 0,
  });
  expect((await call(`${sandbox.controlUrl}/jobs/nobody`)).status).toBe(404);
});

describe('ending a job by a control request', () => {
  test.each([
    [{ action: 'complete' }, { status: 'Completed', result: { result: { type: 'full' } } }],
    [
      { action: 'fail', reason: 'told so' },
      { status: 'Failed', reason: 'told so' },
    ],
    [
      { action: 'fail', reason: null },
      { status: 'Failed', reason: null },
    ],
    [{ action: 'cancel' }, { status: 'Failed', error: { name: 'JOB_CANCELLED' } }],
  ])('applies %j', async (script, expected) => {
    const { sandbox, client } = await bench();
    const hook = await receiver();
    const webhook = { mode: 'direct', url: hook.url };
    const id = await submit(client, {
      ...anyDocument,
      sim: { stuck: 'Pending' },
      async: { webhook },
    });
    await post(`${sandbox.controlUrl}/jobs/${id}`, script);
    expect(await client.job.get(id)).toMatchObject(expected);
    if (script.action !== 'cancel') await hook.count(1);
  });

  test('resends its webhook with another status', async () => {
    const { sandbox, client } = await bench();
    const hook = await receiver();
    const webhook = { mode: 'direct', url: hook.url };
    const id = await submit(client, { ...anyDocument, async: { webhook } });
    await ended(sandbox, id);
    await hook.count(1);
    await post(`${sandbox.controlUrl}/jobs/${id}/webhook`, { status: 'Failed' });
    expect(hook.received.map(({ json }) => json)).toMatchObject([
      { status: 'Completed' },
      { status: 'Failed' },
    ]);
  });
});

describe('forged webhooks', () => {
  test("have the given body and headers, and return the receiver's response", async () => {
    const { sandbox } = await bench();
    const hook = await receiver({ status: 401 });
    const forged = {
      url: hook.url,
      body: { status: 'Completed', job_id: 'x' },
      headers: { 'X-A': 1 },
    };
    const { json } = await post(`${sandbox.controlUrl}/webhooks/forge`, forged);
    expect(json).toMatchObject({ status: 401, error: null, body: '' });
    expect(hook.received[0]).toMatchObject({ json: forged.body, headers: { 'x-a': '1' } });
  });

  test('send a string body unchanged', async () => {
    const { sandbox } = await bench();
    const hook = await receiver();
    await post(`${sandbox.controlUrl}/webhooks/forge`, { url: hook.url, body: '{broken' });
    expect(hook.received[0]?.body).toBe('{broken');
  });

  test('can have a valid, an invalid, or an expired signature', async () => {
    const secret = newSecret();
    const { sandbox } = await bench({ platform: { svixSecrets: [secret] } });
    const hook = await receiver();
    const forge = (svix: object): Promise<unknown> =>
      post(`${sandbox.controlUrl}/webhooks/forge`, { url: hook.url, body: { a: 1 }, svix });
    await forge({ prefix: 'webhook' });
    await forge({ prefix: 'webhook', unknownSecret: true });
    await forge({ prefix: 'webhook', timestampOffsetMs: -360_000 });
    const [good, bad, stale] = hook.received.map(
      ({ body, headers }) =>
        (): unknown =>
          new Webhook(secret).verify(body, {
            'webhook-id': String(headers['webhook-id']),
            'webhook-timestamp': String(headers['webhook-timestamp']),
            'webhook-signature': String(headers['webhook-signature']),
          }),
    );
    expect(good?.()).toEqual({ a: 1 });
    expect(bad).toThrow('No matching signature');
    expect(stale).toThrow('too old');
  });

  test('require a URL', async () => {
    const { sandbox } = await bench();
    expect((await post(`${sandbox.controlUrl}/webhooks/forge`, {})).status).toBe(422);
  });
});

test('moves the clock by request', async () => {
  const { sandbox, client } = await bench({ speed: 0, platform: { queueMs: 3_600_000 } });
  const id = await submit(client, anyDocument);
  await post(`${sandbox.controlUrl}/clock/advance`, { hours: 1 });
  expect((await client.job.get(id)).status).toBe('Completed');
  await post(`${sandbox.controlUrl}/clock/speed`, { speed: 50 });
  expect(sandbox.clock.speed).toBe(50);
});

test('a reset removes jobs, rules, and deliveries, and restores the switches', async () => {
  const { sandbox, client } = await bench({ platform: { version: 'kept' } });
  await submit(client, { ...anyDocument, sim: { stuck: 'Pending' } });
  sandbox.rules.add({ sim: { outcome: 'failed' } });
  await post(`${sandbox.controlUrl}/platform`, { outageStatus: 503 });
  await post(`${sandbox.controlUrl}/reset`, {});
  expect((await call(`${sandbox.controlUrl}/state`)).json).toMatchObject({
    jobs: 0,
    deliveries: 0,
    rules: [],
    platform: { outageStatus: 0, version: 'kept' },
  });
});
