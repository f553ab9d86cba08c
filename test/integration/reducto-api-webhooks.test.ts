import Reducto from 'reductoai';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DataCipher } from '../../src/platform/crypto/data-cipher.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps } from '../support/processes.js';
import { createEndpoint, endJob, type TestEndpoint } from '../support/endpoints.js';
import { answer, startReceiver, type ReceivedRequest, type Receiver } from '../support/receiver.js';
import { outcomeOf, sdksOf } from '../support/reducto-sdk.js';

const INPUT = 'https://example.com/a.pdf';

let gateway: TestGateway;
let sdk: Reducto;

beforeAll(async () => {
  gateway = await startGateway({
    DATA_KEYS: `1:${'A'.repeat(43)}=`,
    WEBHOOK_ORIGINS_PER_SERVICE: '3',
    ENDPOINTS_PER_SERVICE: '3',
  });
  sdk = sdksOf(gateway).gateway;
});
afterAll(() => gateway.close());
afterEach(cleanUp);

async function receiver(...args: Parameters<typeof startReceiver>): Promise<Receiver> {
  const started = await startReceiver(...args);
  cleanUps.push(() => started.close());
  return started;
}

/** An endpoint in the form of Reducto. */
function endpointOf(service: string, settings: object = {}): Promise<TestEndpoint> {
  const given = { payloadFormat: 'reducto', ...settings };
  return createEndpoint(gateway, undefined, given, service, (close) => cleanUps.push(close));
}

/** A client of a service of its own. */
async function clientOf(service: string): Promise<Reducto> {
  return sdksOf({ ...gateway, key: await gateway.newKey(service) }).gateway;
}

const received = (hook: Receiver, count = 1) =>
  eventually(`${count} callbacks`, () =>
    hook.requests.length >= count ? hook.requests : undefined,
  );

const bodyOf = (request: ReceivedRequest | undefined): unknown =>
  JSON.parse(request?.body.toString() ?? '');

const direct = (url: string, metadata?: unknown) => ({
  ...(metadata === undefined ? {} : { metadata }),
  webhook: { mode: 'direct' as const, url },
});

describe('a direct webhook of a job', () => {
  it('is called like Reducto calls it, at the URL of the job', async () => {
    const hook = await receiver();
    const client = await clientOf('flat');
    const { job_id } = await client.parse.runJob({
      input: INPUT,
      async: direct(`${hook.url}?order=7`, { order: 7 }),
    });
    const [request] = await received(hook);
    expect(request?.line).toBe('POST /hook?order=7 HTTP/1.1');
    expect(JSON.parse(request?.body.toString() ?? '')).toEqual({
      status: 'Completed',
      job_id,
      metadata: { order: 7 },
    });
  });

  it('gets metadata of any JSON as it was written', async () => {
    const hook = await receiver();
    const client = await clientOf('digits');
    await client.parse.runJob({ input: INPUT, async: direct(hook.url, 'order 7') });
    const [request] = await received(hook);
    expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({ metadata: 'order 7' });
  });

  it('that answers 410 leaves the webhooks of other jobs at its origin enabled', async () => {
    const hook = await receiver((socket, { line }) =>
      socket.write(answer(line.includes('gone') ? '410 Gone' : '204 No Content')),
    );
    const client = await clientOf('gone');
    await client.parse.runJob({ input: INPUT, async: direct(`${hook.url}?gone`) });
    await received(hook);
    await eventually('the attempt', async () => {
      const { rows } = await gateway.pool.query(
        `SELECT FROM deliveries JOIN events ON id = event_id WHERE service = 'gone' AND status = 'failed'`,
      );
      return rows.length > 0 ? true : undefined;
    });
    await client.parse.runJob({ input: INPUT, async: direct(`${hook.url}?next`) });
    const [, next] = await received(hook, 2);
    expect(next?.line).toContain('next');
  });

  it('is told that a cancelled job has failed', async () => {
    const hook = await receiver();
    const client = await clientOf('cancelled');
    const body = { input: INPUT, sim: { runMs: 60_000 }, async: direct(hook.url) };
    const { job_id } = await client.parse.runJob(body);
    await client.job.cancel(job_id);
    const [request] = await received(hook);
    expect(JSON.parse(request?.body.toString() ?? '')).toEqual({
      status: 'Failed',
      job_id,
      metadata: null,
    });
  });

  it('of an edit is called with the metadata of the webhook', async () => {
    const hook = await receiver();
    const client = await clientOf('edits');
    const { job_id } = await client.edit.runJob({
      document_url: INPUT,
      edit_instructions: 'Sign it.',
      webhook: { mode: 'direct', url: hook.url, metadata: [1] },
    });
    const [request] = await received(hook);
    expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({ job_id, metadata: [1] });
  });

  it('is signed by the secret of the endpoint', async () => {
    const hook = await receiver();
    const client = await clientOf('signed');
    await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
    const [request] = await received(hook);
    const { rows } = await gateway.pool.query(
      `SELECT id, secret FROM endpoints WHERE service = 'signed'`,
    );
    const cipher = gateway.app.get(DataCipher, { strict: false });
    const secret = cipher.decrypt(rows[0].secret, `endpoints/${rows[0].id}`);
    const { body, headers } = request ?? { body: '', headers: {} };
    expect(() => new Webhook(secret).verify(body, headers)).not.toThrow();
    expect(headers).not.toHaveProperty('svix-id');
  });

  it('is called again after a failure', async () => {
    let calls = 0;
    const hook = await receiver((socket) => {
      calls += 1;
      socket.write(answer(calls === 1 ? '500 Internal Server Error' : '204 No Content'));
    });
    const client = await clientOf('again');
    await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
    await expect.poll(() => calls).toBe(2);
  });

  it('is called for its own jobs only, and shares an endpoint with URLs of its origin', async () => {
    const hook = await receiver();
    const client = await clientOf('shared');
    await client.parse.run({ input: INPUT });
    for (const n of [1, 2]) {
      await client.parse.runJob({ input: INPUT, async: direct(`${hook.url}?n=${n}`) });
    }
    const requests = await received(hook, 2);
    expect(requests.map(({ line }) => line).toSorted()).toEqual([
      'POST /hook?n=1 HTTP/1.1',
      'POST /hook?n=2 HTTP/1.1',
    ]);
    const { rows } = await gateway.pool.query(`SELECT url FROM endpoints WHERE service = 'shared'`);
    expect(rows).toEqual([{ url: `${new URL(hook.url).origin}/` }]);
  });

  it.each(['http://169.254.169.254/latest', 'ftp://example.com/', 'no url', 'http://10.0.0.1/'])(
    'at %s is refused with its path',
    async (url) => {
      const refused = await outcomeOf(sdk.parse.runJob({ input: INPUT, async: direct(url) }));
      expect(refused).toMatchObject({
        status: 422,
        body: { detail: [{ loc: ['body', 'async', 'webhook', 'url'] }] },
      });
    },
  );

  it('leaves the endpoints that a service may create for itself', async () => {
    const client = await clientOf('own');
    for (const host of ['a', 'b', 'c']) {
      await client.parse.runJob({ input: INPUT, async: direct(`https://${host}.example.com/`) });
    }
    await endpointOf('own');
    const other = await endpointOf('own');
    expect((await other.call('GET', '/v1/endpoints')).body.endpoints).toHaveLength(5);
  });

  it('is accepted if the service has all endpoints that it may create', async () => {
    const hook = await receiver();
    for (let n = 0; n < 3; n++) await endpointOf('full');
    const client = await clientOf('full');
    const { job_id } = await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
    const [request] = await received(hook);
    expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({ job_id });
  });

  it('is refused if jobs of the service name too many origins', async () => {
    const client = await clientOf('many');
    const submit = (host: string) =>
      client.parse.runJob({ input: INPUT, async: direct(`https://${host}.example.com/`) });
    for (const host of ['a', 'b', 'c']) await submit(host);
    expect(await outcomeOf(submit('d'))).toMatchObject({
      status: 422,
      body: {
        detail: [
          {
            loc: ['body', 'async', 'webhook', 'url'],
            msg: expect.stringContaining('go to at most 3 origins'),
          },
        ],
      },
    });
    await submit('a');
  });
});

it('without a mode is a direct webhook if it has a URL', async () => {
  const hook = await receiver();
  const client = await clientOf('no-mode');
  const webhook = { url: hook.url } as never;
  const { job_id } = await client.parse.runJob({ input: INPUT, async: { webhook } });
  const [request] = await received(hook);
  expect(JSON.parse(request?.body.toString() ?? '')).toMatchObject({ job_id });
});

describe('a Svix webhook of a job', () => {
  const svix = (channels?: string[]) => ({
    webhook: { mode: 'svix' as const, ...(channels === undefined ? {} : { channels }) },
  });

  it('sends the body of Reducto to an endpoint in the form of Reducto', async () => {
    const endpoint = await endpointOf('svix');
    const client = await clientOf('svix');
    const async = { ...svix(), metadata: { order: 7 } };
    const { job_id } = await client.parse.runJob({ input: INPUT, async });
    const [request] = await endpoint.requests(1);
    expect(bodyOf(request)).toEqual({ status: 'Completed', job_id, metadata: { order: 7 } });
  });

  it('is signed with the headers svix-* by the secret of the endpoint', async () => {
    const endpoint = await endpointOf('svix-signed');
    const client = await clientOf('svix-signed');
    await client.parse.runJob({ input: INPUT, async: svix() });
    const [request] = await endpoint.requests(1);
    const headers = Object.entries(request?.headers ?? {}).filter(([name]) =>
      name.startsWith('svix-'),
    );
    const verify = () =>
      new Webhook(endpoint.secret).verify(
        request?.body ?? '',
        Object.fromEntries(
          headers.map(([name, value]) => [name.replace('svix', 'webhook'), value]),
        ),
      );
    expect(verify).not.toThrow();
  });

  it('lets its channels select the endpoints of the service', async () => {
    const wanted = await endpointOf('channels', { channels: ['finance', '_all.x'] });
    const other = await endpointOf('channels', { channels: ['legal'] });
    const all = await endpointOf('channels');
    const client = await clientOf('channels');
    await client.parse.runJob({ input: INPUT, async: svix(['hr', '_all.x']) });
    await wanted.requests(1);
    await all.requests(1);
    expect(other.received()).toEqual([]);
  });

  it.each([
    ['without channels', undefined],
    ['with an empty list of channels', []],
  ])('%s reaches no endpoint that has channels', async (name, channels) => {
    const service = name.replaceAll(' ', '-');
    const other = await endpointOf(service, { channels: ['legal'] });
    const all = await endpointOf(service);
    const client = await clientOf(service);
    await client.parse.runJob({ input: INPUT, async: svix(channels) });
    await all.requests(1);
    expect(other.received()).toEqual([]);
  });

  it('of an edit selects endpoints by the channels at its top level', async () => {
    const wanted = await endpointOf('edit-channels', { channels: ['forms'] });
    const other = await endpointOf('edit-channels', { channels: ['legal'] });
    const client = await clientOf('edit-channels');
    const { job_id } = await client.edit.runJob({
      document_url: INPUT,
      edit_instructions: 'Sign it.',
      webhook: { mode: 'svix', channels: ['forms'], metadata: 7 },
    });
    const [request] = await wanted.requests(1);
    expect(bodyOf(request)).toEqual({ status: 'Completed', job_id, metadata: 7 });
    expect(other.received()).toEqual([]);
  });

  it.each([
    ['a channel with a space', ['a b'], ['channels', 0]],
    ['a channel that is no text', ['a', 7], ['channels', 1]],
    ['too many channels', Array.from({ length: 11 }, (_, n) => `c${n}`), ['channels']],
    ['channels that are no list', 'a', ['channels']],
  ])('with %s is refused with its path', async (_, channels, path) => {
    const refused = await outcomeOf(
      sdk.parse.runJob({ input: INPUT, async: svix(channels as string[]) }),
    );
    expect(refused).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ['body', 'async', 'webhook', ...path] }] },
    });
  });
});

describe('an endpoint in the form of Reducto', () => {
  it('gets the body of Reducto for a job of the gateway’s API', async () => {
    const endpoint = await endpointOf('v1');
    const submitted = await endpoint.call('POST', '/v1/jobs', {
      type: 'parse',
      input: INPUT,
      metadata: { n: 1 },
    });
    const [request] = await endpoint.requests(1);
    expect(bodyOf(request)).toEqual({
      status: 'Completed',
      job_id: submitted.body.id,
      metadata: { n: 1 },
    });
  });

  it('is told that an expired job has failed', async () => {
    const endpoint = await endpointOf('expired');
    const id = await endJob(gateway, 'expired', { status: 'expired' });
    const [request] = await endpoint.requests(1);
    expect(bodyOf(request)).toEqual({ status: 'Failed', job_id: id, metadata: null });
  });

  it('gets its test event in the form of Reducto, with a job id that no job has', async () => {
    const endpoint = await endpointOf('tested');
    const { body } = await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/test`);
    const [request] = await endpoint.requests(1);
    expect(bodyOf(request)).toEqual({
      status: 'Failed',
      job_id: body.eventId,
      metadata: { type: 'endpoint.test' },
    });
  });

  it('is not told of other endpoints, which Reducto does not know', async () => {
    const endpoint = await endpointOf('disabled');
    const other = await createEndpoint(
      gateway,
      (socket) => socket.write(answer('410 Gone')),
      {},
      'disabled',
      (close) => cleanUps.push(close),
    );
    const plain = await createEndpoint(gateway, undefined, {}, 'disabled', (close) =>
      cleanUps.push(close),
    );
    await other.call('POST', `/v1/endpoints/${other.id}/test`);
    const [request] = await plain.requests(1);
    expect(bodyOf(request)).toMatchObject({ type: 'endpoint.disabled' });
    await endJob(gateway, 'disabled');
    const requests = await endpoint.requests(1);
    expect(requests.map(bodyOf)).toEqual([expect.objectContaining({ status: 'Failed' })]);
  });

  it('gets the body of the gateway again once it is changed back', async () => {
    const endpoint = await endpointOf('changed');
    const changed = await endpoint.call('PATCH', `/v1/endpoints/${endpoint.id}`, {
      payloadFormat: null,
    });
    expect(changed.body.payloadFormat).toBe('event');
    await endJob(gateway, 'changed');
    const [request] = await endpoint.requests(1);
    expect(bodyOf(request)).toMatchObject({ type: 'job.failed' });
    expect(request?.headers).not.toHaveProperty('svix-id');
  });

  it('is shown to admins', async () => {
    const { id } = await endpointOf('shown');
    const authorization = `Bearer ${await gateway.newKey('operators', ['admin'])}`;
    const read = await gateway.call('GET', `/v1/admin/endpoints/${id}`, undefined, {
      authorization,
    });
    expect(read.body.payloadFormat).toBe('reducto');
  });
});

it('refuses a payload format that does not exist', async () => {
  const refused = await gateway.call('POST', '/v1/endpoints', {
    url: 'http://127.0.0.1:9/',
    payloadFormat: 'xml',
  });
  expect(refused).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'payloadFormat', message: 'must be one of event, reducto' }] },
  });
});

it('refuses the gateway’s payload format for the endpoint of direct webhooks', async () => {
  const hook = await receiver();
  const client = await clientOf('for-jobs');
  await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
  const authorization = `Bearer ${await gateway.newKey('for-jobs')}`;
  const { body } = await gateway.call('GET', '/v1/endpoints', undefined, { authorization });
  const [endpoint] = body.endpoints;
  expect(endpoint.payloadFormat).toBe('reducto');
  const change = { payloadFormat: 'event' };
  const refused = await gateway.call('PATCH', `/v1/endpoints/${endpoint.id}`, change, {
    authorization,
  });
  expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: 'payloadFormat' }] } });
});
