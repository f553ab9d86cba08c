import Reducto from 'reductoai';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DataCipher } from '../../src/platform/crypto/data-cipher.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps } from '../support/processes.js';
import { answer, startReceiver, type Receiver } from '../support/receiver.js';
import { outcomeOf, sdksOf } from '../support/reducto-sdk.js';

const INPUT = 'https://example.com/a.pdf';

let gateway: TestGateway;
let sdk: Reducto;

beforeAll(async () => {
  gateway = await startGateway({
    DATA_KEYS: `1:${'A'.repeat(43)}=`,
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

/** A client of a service of its own. */
async function clientOf(service: string): Promise<Reducto> {
  return sdksOf({ ...gateway, key: await gateway.newKey(service) }).gateway;
}

const received = (hook: Receiver, count = 1) =>
  eventually(`${count} callbacks`, () =>
    hook.requests.length >= count ? hook.requests : undefined,
  );

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
  });

  it('is called again after a failure', async () => {
    let calls = 0;
    const hook = await receiver((socket) => {
      calls += 1;
      socket.write(answer(calls === 1 ? '500 Internal Server Error' : '204 No Content'));
    });
    const client = await clientOf('again');
    await client.parse.runJob({ input: INPUT, async: direct(hook.url) });
    await expect.poll(() => calls, { timeout: 20_000 }).toBe(2);
  }, 30_000);

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

  it('is refused if the service has too many endpoints', async () => {
    const client = await clientOf('many');
    const submit = (host: string) =>
      client.parse.runJob({ input: INPUT, async: direct(`https://${host}.example.com/`) });
    for (const host of ['a', 'b', 'c']) await submit(host);
    expect(await outcomeOf(submit('d'))).toMatchObject({ status: 422 });
  });
});

it('lets the channels of a Svix webhook select the endpoints of the service', async () => {
  const [wanted, other] = [await receiver(), await receiver()];
  const key = await gateway.newKey('channels');
  const authorization = { authorization: `Bearer ${key}` };
  for (const [hook, channel] of [
    [wanted, 'finance'],
    [other, 'legal'],
  ] as const) {
    const created = await gateway.call(
      'POST',
      '/v1/endpoints',
      { url: hook.url, channels: [channel] },
      authorization,
    );
    expect(created.status).toBe(201);
  }
  await sdksOf({ ...gateway, key }).gateway.parse.runJob({
    input: INPUT,
    async: { webhook: { mode: 'svix', channels: ['finance'] } },
  });
  await received(wanted);
  expect(other.requests).toEqual([]);
});
