import Reducto from 'reductoai';
import { describe, expect, test } from 'vitest';
import { anyDocument, authorized, bench, call, post, receiver } from './support.js';

const schema = { type: 'object', properties: { total: { type: 'number' } } };
const classification_schema = [{ category: 'invoice', criteria: ['has a total'] }];
const split_description = [{ name: 'a', description: 'b' }];

describe('a synchronous call', () => {
  test.each([
    ['parse', { ...anyDocument }, 'parse'],
    ['extract', { ...anyDocument, instructions: { schema } }, 'v3_extract'],
    ['split', { ...anyDocument, split_description }, 'split'],
    ['edit', { document_url: anyDocument.input, edit_instructions: 'Sign it' }, 'edit'],
    ['pipeline', { ...anyDocument, pipeline_id: 'p' }, 'pipeline'],
    ['classify', { ...anyDocument, classification_schema }, 'classify'],
  ])('returns the result of a %s, which GET /job returns too', async (type, body, responseType) => {
    const { client } = await bench({ platform: { freshResultUrls: false } });
    const result = await client.post<unknown, { job_id: string }>(`/${type}`, { body });
    expect(result).toMatchObject({ response_type: responseType });
    expect(await client.job.get(result.job_id)).toMatchObject({ status: 'Completed', result });
  });

  test('holds the connection until the job has ended', async () => {
    const { sandbox, client } = await bench({ speed: 0, platform: { runMs: 60_000 } });
    let done = false;
    const run = client.parse.run(anyDocument).then((result) => {
      done = true;
      return result;
    });
    await sandbox.jobs.waitFor(({ status }) => status === 'Pending');
    await sandbox.clock.advance(59_999);
    expect(done).toBe(false);
    await sandbox.clock.advance(1);
    expect(await run).toMatchObject({ response_type: 'parse' });
  });

  test('returns the error of a failed job with its status', async () => {
    const { client } = await bench();
    const error = { name: 'DOCUMENT_PASSWORD_PROTECTED', code: 442, message: 'Locked' };
    const run = client.post('/parse', {
      body: { ...anyDocument, sim: { outcome: 'failed', error } },
    });
    await expect(run).rejects.toMatchObject({
      status: 442,
      error: { error: { ...error, job_id: expect.any(String) }, detail: 'Locked' },
    });
  });

  test('returns 404 for an unknown upload', async () => {
    const { client } = await bench();
    const run = client.parse.run({ input: 'reducto://nothing.pdf' });
    await expect(run).rejects.toBeInstanceOf(Reducto.NotFoundError);
  });

  test('returns 409 when its job is cancelled', async () => {
    const { sandbox, client } = await bench();
    const run = client.post('/parse', { body: { ...anyDocument, sim: { stuck: 'Pending' } } });
    const refused = run.catch((error: unknown) => error);
    const job = await sandbox.jobs.waitFor(({ status }) => status === 'Pending');
    await client.job.cancel(job.id);
    expect(await refused).toMatchObject({
      status: 409,
      error: { error: { name: 'JOB_CANCELLED' } },
    });
  });

  test('gets a 504 after 900 seconds', async () => {
    const { sandbox, client } = await bench({ speed: 0 });
    const run = client.post('/parse', { body: { ...anyDocument, sim: { stuck: 'Pending' } } });
    const refused = run.catch((error: unknown) => error);
    await sandbox.jobs.waitFor(({ status }) => status === 'Pending');
    await sandbox.clock.advance(900_000);
    expect(await refused).toMatchObject({ status: 504 });
  });

  test('sends no callback', async () => {
    const { sandbox, client } = await bench();
    const target = await receiver();
    const webhook = { mode: 'direct', url: target.url };
    const body = { document_url: anyDocument.input, edit_instructions: 'x', webhook };
    await client.post('/edit', { body });
    expect(sandbox.deliveries.all()).toEqual([]);
  });

  test.each(['parse', 'extract'])(
    'is queued for a %s with `async`, and calls back',
    async (type) => {
      const { client } = await bench();
      const target = await receiver();
      const webhook = { mode: 'direct', url: target.url };
      const body = { ...anyDocument, async: { webhook, metadata: { mine: 1 } } };
      const answer = await client.post<unknown, { job_id: string }>(`/${type}`, { body });
      expect(answer).toEqual({ job_id: expect.any(String) });
      const [callback] = await target.count(1);
      expect(callback?.json).toEqual({
        status: 'Completed',
        job_id: answer.job_id,
        metadata: { mine: 1 },
      });
    },
  );
});

describe('POST /classify_async', () => {
  test('creates a job that calls back', async () => {
    const { client } = await bench();
    const target = await receiver();
    const webhook = { mode: 'direct', url: target.url };
    const body = { ...anyDocument, classification_schema, async: { webhook } };
    const { job_id } = await client.post<unknown, { job_id: string }>('/classify_async', { body });
    const [callback] = await target.count(1);
    expect(callback?.json).toEqual({ status: 'Completed', job_id, metadata: null });
  });

  test.each([{ classifyAsync: false }, { profile: 'old' }, { profile: 'onprem' }] as const)(
    'is absent with %j',
    async (platform) => {
      const { client } = await bench({ platform });
      const body = { ...anyDocument, classification_schema };
      await expect(client.post('/classify_async', { body })).rejects.toMatchObject({
        status: 404,
        error: { detail: 'Not Found' },
      });
      expect(await client.classify.run(body)).toMatchObject({ response_type: 'classify' });
    },
  );
});

describe('requests that clients send', () => {
  test('returns a JSON 404 for an unknown path', async () => {
    const { sandbox } = await bench();
    expect(await call(`${sandbox.url}/nothing`, authorized(sandbox))).toMatchObject({
      status: 404,
      json: { detail: 'Not Found' },
    });
  });

  test('serves the path of the public URL, also in its links', async () => {
    const publicUrl = 'http://sandbox.internal/reducto';
    const { sandbox } = await bench({ publicUrl });
    const { url, apiKey } = sandbox;
    const client = new Reducto({ baseURL: `${url}/reducto`, apiKey, maxRetries: 0 });
    const body = { ...anyDocument, settings: { embed_pdf_metadata: true } };
    const { pdf_url: link } = await client.post<unknown, { pdf_url: string }>('/parse', { body });
    expect(link).toMatch(/^http:\/\/sandbox\.internal\/reducto\/files\//u);
    expect((await call(link.replace('http://sandbox.internal', url))).status).toBe(200);
  });

  test('ignores unknown headers and queries', async () => {
    const { sandbox } = await bench({ platform: { auth: 'off' } });
    const { status } = await post(`${sandbox.url}/parse?unknown=1`, anyDocument);
    expect(status).toBe(200);
  });

  test('accepts an empty body with a JSON content type', async () => {
    const { sandbox } = await bench({ platform: { auth: 'off' } });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
    expect((await call(`${sandbox.url}/configure_webhook`, init)).json).toMatch(/^https:/u);
    expect((await call(`${sandbox.url}/parse`, init)).status).toBe(422);
  });
});
