import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplePdf } from '../fixtures/sample-pdf.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  // Callbacks end the jobs here: polls come too late.
  gateway = await startGateway({ POLL_SCHEDULE_SECONDS: '600' });
});
afterAll(() => gateway.close());

async function upload(bytes: Uint8Array, name = 'document.pdf'): Promise<string> {
  const form = new FormData();
  form.append('file', new Blob([Uint8Array.from(bytes)], { type: 'application/pdf' }), name);
  const { status, body } = await gateway.call('POST', '/v1/uploads', form);
  expect(status).toBe(201);
  expect(body.id).toMatch(/^reducto:\/\//);
  return body.id;
}

describe('the main path', () => {
  it('parses a real PDF: upload, submit, callback, result', async () => {
    const input = await upload(new Uint8Array(await readFile('src/dev/demo/rental-agreement.pdf')));
    const submitted = await gateway.call('POST', '/v1/jobs', {
      type: 'parse',
      input,
      metadata: { case: 7 },
    });
    expect(submitted.status).toBe(202);
    expect(submitted.headers.get('location')).toBe(`/v1/jobs/${submitted.body.id}`);
    expect(submitted.body.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);

    const job = await gateway.ended(submitted.body.id);
    expect(job).toMatchObject({
      status: 'completed',
      settledBy: 'webhook',
      metadata: { case: 7 },
      reason: null,
    });
    const result = await gateway.call('GET', `/v1/jobs/${job.id}/result`);
    expect(result.body.usage.num_pages).toBe(4);
    expect(JSON.stringify(result.body.result.chunks)).toContain('Marta Lindqvist');
    // On a slow machine the gateway may poll once before the callback arrives.
    const events = await gateway.events(job.id);
    expect(events.filter((type) => type !== 'polled')).toEqual([
      'accepted',
      'submit_started',
      'submitted',
      'callback_received',
      'completed',
    ]);
  });

  it('runs an extract on an earlier parse by jobid://, including one that is not completed', async () => {
    const input = await upload(await samplePdf([['Invoice number: INV-77']]));
    const parse = await gateway.submit({ input, sim: { runMs: 400 } });
    const schema = { type: 'object', properties: { invoice_number: { type: 'string' } } };
    const extract = await gateway.submit({
      type: 'extract',
      input: `jobid://${parse}`,
      instructions: { schema },
    });
    expect(await gateway.ended(extract)).toMatchObject({ status: 'completed' });
    const { body } = await gateway.call('GET', `/v1/jobs/${extract}/result`);
    expect(JSON.stringify(body.result)).toContain('Sample invoice number');
  });

  it.each([
    ['split', { split_description: [{ name: 'a', description: 'b' }] }],
    ['pipeline', { pipeline_id: 'p1' }],
    ['classify', { classification_schema: [{ category: 'a', criteria: ['It has pages.'] }] }],
    ['parse', { document_url: 'https://example.com/legacy.pdf', input: undefined }],
    [
      'edit',
      { document_url: 'https://example.com/f.pdf', edit_instructions: 'Fill it', input: undefined },
    ],
  ])('runs a %s', async (type, fields) => {
    const job = await gateway.ended(await gateway.submit({ type, ...fields }));
    expect(job).toMatchObject({ type, status: 'completed', settledBy: 'webhook' });
  });

  it('sends only the id and the token to Reducto, not the metadata of the service', async () => {
    const id = await gateway.submit({
      metadata: { secret: 'of-the-service' },
      priority: true,
      unknown_field: [1],
    });
    await gateway.ended(id);
    const upstream = gateway.sandbox.jobs
      .all()
      .find((job) => JSON.stringify(job.body).includes(id));
    expect(upstream?.body).toMatchObject({
      unknown_field: [1],
      async: {
        priority: true,
        metadata: { gateway_job_id: id, token: gateway.tokens.signJobId(id) },
      },
    });
    expect(JSON.stringify(upstream?.body)).not.toContain('of-the-service');
  });
});

describe('reading a result', () => {
  it('serves it compressed or plain, with an ETag for conditional requests', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const path = `${gateway.url}/v1/jobs/${id}/result`;
    const authorization = `Bearer ${gateway.key}`;
    const packed = await request(path, { headers: { authorization, 'accept-encoding': 'gzip' } });
    const plain = await request(path, {
      headers: { authorization, 'accept-encoding': 'identity' },
    });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(plain.headers['content-encoding']).toBeUndefined();
    const bytes = Buffer.from(await packed.body.arrayBuffer());
    expect(gunzipSync(bytes).toString()).toBe(await plain.body.text());
    expect(Number(packed.headers['content-length'])).toBe(bytes.length);
    for (const { headers } of [packed, plain]) {
      const again = await request(path, {
        headers: { authorization, 'if-none-match': String(headers.etag) },
      });
      expect(again.statusCode).toBe(304);
      await again.body.dump();
    }
  });

  it('returns an error before the job ends, and for a job without a result', async () => {
    const running = await gateway.submit({ sim: { runMs: 500 } });
    expect((await gateway.call('GET', `/v1/jobs/${running}/result`)).body.code).toBe(
      'job_not_completed',
    );
    const failed = await gateway.submit({ sim: { outcome: 'failed', reason: 'No pages' } });
    expect(await gateway.ended(failed)).toMatchObject({ status: 'failed', reason: 'No pages' });
    expect((await gateway.call('GET', `/v1/jobs/${failed}/result`)).body.code).toBe(
      'job_has_no_result',
    );
  });
});

describe('services', () => {
  it('cannot read, cancel, wait for, or reference the jobs of other services', async () => {
    const theirs = await gateway.submit();
    await gateway.ended(theirs);
    const headers = { authorization: `Bearer ${await gateway.newKey('payroll')}` };
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '?wait=1'],
      ['GET', '/result'],
      ['GET', '/events'],
      ['POST', '/cancel'],
    ] as const) {
      const { status, body } = await gateway.call(
        method,
        `/v1/jobs/${theirs}${path}`,
        undefined,
        headers,
      );
      expect([status, body.code]).toEqual([404, 'job_not_found']);
    }
    expect((await gateway.call('GET', '/v1/jobs', undefined, headers)).body.jobs).toEqual([]);
    for (const input of [
      `jobid://${theirs}`,
      [`JobID://${theirs.toUpperCase()}`],
      { file_id: ` jobid://${theirs}` },
    ]) {
      const { status } = await gateway.call(
        'POST',
        '/v1/jobs',
        { type: 'extract', input },
        headers,
      );
      expect(status).toBe(422);
    }
    const upstreamId = gateway.sandbox.jobs.all()[0]?.id ?? '';
    const guessed = { type: 'extract', input: `jobid://${upstreamId}` };
    expect((await gateway.call('POST', '/v1/jobs', guessed)).status).toBe(422);
  });

  it('list their own jobs, newest first, in stable pages', async () => {
    const headers = { authorization: `Bearer ${await gateway.newKey('lister')}` };
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      const { body } = await gateway.call(
        'POST',
        '/v1/jobs',
        { type: 'parse', input: 'https://e.com/x' },
        headers,
      );
      ids.unshift(body.id);
    }
    const first = (await gateway.call('GET', '/v1/jobs?limit=2', undefined, headers)).body;
    await gateway.call('POST', '/v1/jobs', { type: 'parse', input: 'https://e.com/new' }, headers);
    const second = (
      await gateway.call('GET', `/v1/jobs?limit=3&cursor=${first.nextCursor}`, undefined, headers)
    ).body;
    expect([...first.jobs, ...second.jobs].map((job: { id: string }) => job.id)).toEqual(ids);
    expect(second.nextCursor).toBeNull();
    expect(
      (await gateway.call('GET', '/v1/jobs?type=split', undefined, headers)).body.jobs,
    ).toEqual([]);
  });

  it('authenticate by keys that are hashed, record their last use, and are refused after revocation', async () => {
    const admin = { authorization: `Bearer ${await gateway.newKey('ops', ['admin'])}` };
    const made = await gateway.call(
      'POST',
      '/v1/admin/keys',
      { service: 'short-lived', scopes: ['jobs'] },
      admin,
    );
    expect(made.status).toBe(201);
    const headers = { authorization: `Bearer ${made.body.key}` };
    expect((await gateway.call('GET', '/v1/jobs', undefined, headers)).status).toBe(200);
    expect((await gateway.call('GET', '/v1/admin/keys', undefined, headers)).body.code).toBe(
      'forbidden',
    );
    expect((await gateway.call('GET', '/v1/jobs', undefined, admin)).status).toBe(403);
    const list = () => gateway.call('GET', '/v1/admin/keys', undefined, admin);
    // Nobody waits for the note of a use.
    const lastUse = async (): Promise<unknown> =>
      (await list()).body.keys.find(({ id }: { id: string }) => id === made.body.id).lastUsedAt;
    await expect.poll(lastUse).not.toBeNull();
    expect(JSON.stringify((await list()).body)).not.toContain(made.body.key);
    expect(
      (await gateway.call('DELETE', `/v1/admin/keys/${made.body.id}`, undefined, admin)).status,
    ).toBe(204);
    expect((await gateway.call('GET', '/v1/jobs', undefined, headers)).status).toBe(401);
    expect((await send(`${gateway.url}/v1/jobs`, 'GET')).headers.get('www-authenticate')).toBe(
      'Bearer',
    );
  });
});

describe('an Idempotency-Key', () => {
  const body = { type: 'parse', input: 'https://example.com/once.pdf', metadata: { a: 1, b: 2 } };

  it('creates one job for twenty concurrent requests', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        gateway.call('POST', '/v1/jobs', body, { 'idempotency-key': 'k-1' }),
      ),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(202));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  });

  it('refuses a different request with the same key, but accepts different whitespace', async () => {
    const spaced = JSON.stringify(body, null, 2);
    const same = await gateway.call('POST', '/v1/jobs', spaced, {
      'content-type': 'application/json',
      'idempotency-key': 'k-1',
    });
    const other = await gateway.call(
      'POST',
      '/v1/jobs',
      { ...body, priority: true },
      { 'idempotency-key': 'k-1' },
    );
    expect([same.status, other.status, other.body.code]).toEqual([
      202,
      422,
      'idempotency_key_reused',
    ]);
  });

  it('is scoped to one service', async () => {
    const headers = {
      authorization: `Bearer ${await gateway.newKey('other')}`,
      'idempotency-key': 'k-1',
    };
    expect(
      (await gateway.call('POST', '/v1/jobs', { ...body, input: 'https://e.com/2' }, headers))
        .status,
    ).toBe(202);
  });
});

describe('cancelling', () => {
  it('cancels a running job at Reducto', async () => {
    const id = await gateway.submit({ sim: { stuck: 'InProgress' } });
    await eventually(
      'submitted',
      async () => (await gateway.events(id)).includes('submitted') || undefined,
    );
    await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    const again = await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect(again.status).toBe(202);
    expect(await gateway.ended(id)).toMatchObject({ status: 'cancelled' });
    expect(await gateway.events(id)).toContain('cancel_sent');
    expect((await gateway.events(id)).filter((type) => type === 'cancel_requested')).toHaveLength(
      1,
    );
  });

  it('is refused for a job that has ended', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const { status, body } = await gateway.call('POST', `/v1/jobs/${id}/cancel`);
    expect([status, body.code]).toEqual([409, 'job_already_ended']);
  });
});

it('describes all routes at /docs/json with every schema that they reference', async () => {
  const { body } = await gateway.call('GET', '/docs/json');
  expect(Object.keys(body.paths).toSorted()).toEqual(
    [
      '/files/{id}/{name}',
      '/health/live',
      '/health/ready',
      '/metrics',
      '/v1/admin/actions',
      '/v1/admin/alerts',
      '/v1/admin/alerts/{id}/acknowledge',
      '/v1/admin/audit/verify',
      '/v1/admin/jobs',
      '/v1/admin/jobs/count',
      '/v1/admin/jobs/{id}',
      '/v1/admin/jobs/{id}/callbacks',
      '/v1/admin/jobs/{id}/cancel',
      '/v1/admin/jobs/{id}/events',
      '/v1/admin/jobs/{id}/poll',
      '/v1/admin/jobs/{id}/files',
      '/v1/admin/jobs/{id}/files/{name}',
      '/v1/admin/jobs/{id}/result',
      '/v1/admin/keys',
      '/v1/admin/keys/{id}',
      '/v1/admin/overview',
      '/v1/admin/refusals',
      '/v1/admin/refusals/accept',
      '/v1/admin/refusals/export',
      '/v1/admin/refusals/recheck',
      '/v1/admin/refusals/summary',
      '/v1/admin/refusals/{id}',
      '/v1/admin/services',
      '/v1/admin/services/{service}',
      '/v1/jobs',
      '/v1/jobs/{id}',
      '/v1/jobs/{id}/cancel',
      '/v1/jobs/{id}/events',
      '/v1/jobs/{id}/files',
      '/v1/jobs/{id}/files/{name}',
      '/v1/jobs/{id}/result',
      '/v1/admin/endpoints',
      '/v1/admin/endpoints/{id}',
      '/v1/admin/endpoints/{id}/disable',
      '/v1/admin/endpoints/{id}/enable',
      '/v1/admin/endpoints/{id}/recover',
      '/v1/admin/endpoints/{id}/test',
      '/v1/admin/events',
      '/v1/admin/events/{id}',
      '/v1/admin/events/{id}/attempts',
      '/v1/admin/events/{id}/resend',
      '/v1/endpoints',
      '/v1/endpoints/{id}',
      '/v1/endpoints/{id}/recover',
      '/v1/endpoints/{id}/rotate-secret',
      '/v1/endpoints/{id}/test',
      '/v1/events',
      '/v1/events/{id}',
      '/v1/events/{id}/attempts',
      '/v1/events/{id}/resend',
      '/v1/uploads',
    ].toSorted(),
  );
  const references = [...JSON.stringify(body).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
    (match) => match[1] ?? '',
  );
  for (const name of references) expect(body.components.schemas).toHaveProperty(name);
});

it('never logs a key, token, password, or content of a document', async () => {
  const id = await gateway.submit({
    settings: { document_password: 'planted-password-1' },
    metadata: { m: 'planted-metadata-2' },
  });
  await gateway.ended(id);
  await gateway.call('GET', '/v1/jobs?status=planted-query-3');
  await gateway.call('POST', '/v1/jobs', '{"type":"parse","input":"planted-body-4', {
    'content-type': 'application/json',
  });
  const forged = {
    status: 'Completed',
    job_id: 'x',
    metadata: { gateway_job_id: id, token: 'v1.planted-token-5' },
  };
  await gateway.call('POST', '/webhooks/reducto', forged);
  const logs = gateway.logs.join('');
  expect(logs).toContain(id);
  expect(
    logs
      .split('\n')
      .filter(Boolean)
      .every((line) => JSON.parse(line)),
  ).toBe(true);
  for (const secret of [
    gateway.key,
    gateway.tokens.signJobId(id),
    'planted-',
    'Marta Lindqvist',
    gateway.sandbox.apiKey,
  ]) {
    expect(logs).not.toContain(secret);
  }
});
