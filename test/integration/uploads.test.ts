import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { UploadStore } from '../../src/jobs/uploads/upload.store.js';
import { RetentionService } from '../../src/retention/retention.service.js';
import { startGateway, type Answer, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ UPLOAD_RETENTION_HOURS: '48' });
});
afterAll(() => gateway.close());
afterEach(() => gateway.sandbox.platform.reset());

function form(content: string, name = 'a.pdf', field = 'file'): FormData {
  const data = new FormData();
  data.append(field, new Blob([content]), name);
  return data;
}

const upload = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  gateway.call('POST', '/v1/uploads', body, headers);
const newUpload = async (): Promise<string> => (await upload(form('%PDF-1.4'))).body.id;
const storedFiles = () => gateway.sandbox.uploads.all().filter(({ file }) => file !== undefined);
const rowCount = async (table: string): Promise<number> =>
  (await gateway.pool.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;

describe('an upload', () => {
  it('is stored as its service’s before the answer', async () => {
    const id = await newUpload();
    const { rows } = await gateway.pool.query(
      `SELECT service, idempotency_key, encode(sha256, 'hex') AS sha256, size_bytes FROM uploads WHERE id = $1`,
      [id],
    );
    expect(rows).toEqual([
      {
        service: 'invoices',
        idempotency_key: null,
        sha256: 'e16fa5d9b51928755db85b917f0297babaf22c7a47e97d9212adab56e61ba04e',
        size_bytes: '8',
      },
    ]);
  });

  it('leaves no row when Reducto refuses it after the bytes were sent', async () => {
    const before = await rowCount('uploads');
    gateway.sandbox.platform.set({ uploadLimitBytes: 10 });
    const answer = await upload(form('x'.repeat(100)), { 'idempotency-key': 'refused-1' });
    expect(answer.status).toBe(422);
    expect([await rowCount('uploads'), await rowCount('upload_leases')]).toEqual([before, 0]);
    gateway.sandbox.platform.reset();
    expect((await upload(form('x'.repeat(100)), { 'idempotency-key': 'refused-1' })).status).toBe(
      201,
    );
  });

  it('rejects an upload with a second file and stores neither', async () => {
    const before = [storedFiles().length, await rowCount('uploads')];
    const data = form('%PDF-1.4 first');
    data.append('file', new Blob(['%PDF-1.4 second']), 'b.pdf');
    const answer = await upload(data);
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'file' }] } });
    expect([storedFiles().length, await rowCount('uploads')]).toEqual(before);
  });

  it.each<[string, (data: FormData) => void, string]>([
    ['a file of another name', (data) => data.append('other', new Blob(['x']), 'b.pdf'), 'other'],
    ['a text field', (data) => data.append('extension', 'pdf'), 'extension'],
    [
      'many files',
      (data) => {
        for (let count = 0; count < 30; count++) data.append(`f${count}`, new Blob(['x']), 'b.pdf');
      },
      'f0',
    ],
  ])('with %s behind it is refused by name', async (_case, add, path) => {
    const data = form('%PDF-1.4');
    add(data);
    expect(await upload(data)).toMatchObject({ status: 422, body: { errors: [{ path }] } });
  });

  it('rejects an upload whose file is a text field', async () => {
    const data = new FormData();
    data.append('file', 'not a file');
    expect(await upload(data)).toMatchObject({ status: 422, body: { errors: [{ path: 'file' }] } });
  });

  it.each([
    ['application/pdf', '%PDF-1.4'],
    ['application/octet-stream', '%PDF-1.4'],
    ['text/plain', 'x'],
    ['application/x-www-form-urlencoded', 'file=x'],
    ['application/json', '{}'],
    ['application/json', '{"file":"x"}'],
  ])('as %s is rejected with a request for multipart', async (type, body) => {
    const answer = await upload(body, { 'content-type': type });
    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
    expect(answer.body.detail).toContain('multipart/form-data');
    expect(answer.body.detail).toContain('-F file=@document.pdf');
  });

  it('rejects an upload without a body', async () => {
    const answer = await upload(undefined);
    expect([answer.status, answer.body.code]).toEqual([415, 'unsupported_media_type']);
  });
});

describe('the Idempotency-Key of an upload', () => {
  const key = { 'idempotency-key': 'key-1' };

  it('makes a repeat with the same content the same upload, stored once', async () => {
    const first = await upload(form('%PDF-1.4 same'), key);
    const files = storedFiles().length;
    expect(first.status).toBe(201);
    expect(await upload(form('%PDF-1.4 same', 'renamed.pdf'), key)).toMatchObject({
      status: 201,
      body: first.body,
    });
    expect(storedFiles().length).toBe(files);
  });

  it('rejects other content under the same key without an upload', async () => {
    const files = storedFiles().length;
    const answer = await upload(form('%PDF-1.4 other'), key);
    expect([answer.status, answer.body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(storedFiles().length).toBe(files);
  });

  it('allows another service the same key', async () => {
    const authorization = `Bearer ${await gateway.newKey('orders')}`;
    const mine = await upload(form('%PDF-1.4 same'), key);
    const theirs = await upload(form('%PDF-1.4 theirs'), { ...key, authorization });
    expect(theirs.status).toBe(201);
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  it('answers a repeat with 409 while the first request is in progress', async () => {
    const first = slowUpload('key-2');
    await first.begun;
    await expect.poll(() => rowCount('upload_leases')).toBe(1);
    const files = storedFiles().length;
    const early = await upload(form('slow content'), { 'idempotency-key': 'key-2' });
    expect([early.status, early.body.code]).toEqual([409, 'idempotency_key_in_use']);
    expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(0);
    first.finish();
    const { id } = await first.answer;
    const late = await upload(form('slow content'), { 'idempotency-key': 'key-2' });
    expect([late.status, late.body.id]).toEqual([201, id]);
    expect(storedFiles().length).toBe(files + 1);
    expect(await rowCount('upload_leases')).toBe(0);
  });

  it('uploads once for ten concurrent requests with one key', async () => {
    const files = storedFiles().length;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => upload(form('at once'), { 'idempotency-key': 'key-3' })),
    );
    expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
    const ids = answers.filter(({ status }) => status === 201).map(({ body }) => body.id);
    expect(new Set(ids).size).toBe(1);
    expect(storedFiles().length).toBe(files + 1);
  });

  it('releases the key of a crashed process', async () => {
    const store = gateway.app.get(UploadStore, { strict: false });
    const holder = '01a20824-0000-7000-8000-000000000001';
    expect(await store.acquireLease({ service: 'invoices', key: 'key-4', holder })).toBe(true);
    const blocked = await upload(form('x'), { 'idempotency-key': 'key-4' });
    expect(blocked.status).toBe(409);
    await gateway.pool.query(`UPDATE upload_leases SET expires_at = now() - interval '1 s'`);
    expect((await upload(form('x'), { 'idempotency-key': 'key-4' })).status).toBe(201);
  });

  it('keeps its lease for as long as the upload lasts', async () => {
    const long = slowUpload('key-6');
    await long.begun;
    const expiry = async (): Promise<number> => {
      const { rows } = await gateway.pool.query(
        `SELECT expires_at FROM upload_leases WHERE idempotency_key = 'key-6'`,
      );
      return rows[0]?.expires_at?.getTime() ?? 0;
    };
    await expect.poll(expiry).toBeGreaterThan(0);
    const first = await expiry();
    await expect.poll(expiry).toBeGreaterThan(first);
    long.breakOff();
    await expect(long.answer).rejects.toThrow('broken off');
  });

  it('is deleted by retention an hour after its lease expired', async () => {
    await gateway.pool.query(
      `INSERT INTO upload_leases (service, idempotency_key, holder, expires_at)
       SELECT 'invoices', 'expired-' || minutes, gen_random_uuid(), now() - make_interval(mins => minutes)
         FROM unnest('{30,90}'::int[]) AS minutes`,
    );
    await gateway.app.get(RetentionService, { strict: false }).sweep();
    const { rows } = await gateway.pool.query(
      `SELECT idempotency_key AS key FROM upload_leases WHERE idempotency_key LIKE 'expired-%'`,
    );
    expect(rows).toEqual([{ key: 'expired-30' }]);
    await gateway.pool.query(`DELETE FROM upload_leases WHERE idempotency_key LIKE 'expired-%'`);
  });

  it('releases the key of an aborted request', async () => {
    const first = slowUpload('key-5');
    await first.begun;
    await expect.poll(() => rowCount('upload_leases')).toBe(1);
    first.breakOff();
    await expect(first.answer).rejects.toThrow('broken off');
    await expect.poll(() => rowCount('upload_leases')).toBe(0);
    expect((await upload(form('whole'), { 'idempotency-key': 'key-5' })).status).toBe(201);
  });

  it.each(['a b', 'ä', 'x'.repeat(256)])(
    'is refused where it is not printable (%j)',
    async (text) => {
      const answer = await request(`${gateway.url}/v1/uploads`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${gateway.key}`,
          'content-type': 'multipart/form-data; boundary=x',
          'idempotency-key': Buffer.from(text).toString('latin1'),
        },
        body: '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--x--\r\n',
      });
      expect(answer.statusCode).toBe(400);
      await answer.body.dump();
    },
  );
});

describe('retention of uploads', () => {
  it('deletes an expired upload while a repeated job request still returns the same job', async () => {
    const input = await newUpload();
    const body = { type: 'parse', input };
    const submit = (headers?: Record<string, string>) =>
      gateway.call('POST', '/v1/jobs', body, headers);
    const job = await submit({ 'idempotency-key': 'job-of-upload' });
    expect(job.status).toBe(202);
    const sweep = () => gateway.app.get(RetentionService, { strict: false }).sweep();
    expect((await sweep()).uploads).toBe(0);
    await gateway.pool.query(
      `UPDATE uploads SET created_at = created_at - interval '49 h' WHERE id = $1`,
      [input],
    );
    expect((await sweep()).uploads).toBe(1);
    const repeat = await submit({ 'idempotency-key': 'job-of-upload' });
    expect([repeat.status, repeat.body.id]).toEqual([202, job.body.id]);
    expect(await submit()).toMatchObject({ status: 422, body: { errors: [{ path: 'input' }] } });
  });
});

describe('a job', () => {
  let id: string;
  beforeAll(async () => {
    id = await newUpload();
  });
  const submit = (body: Record<string, unknown>) =>
    gateway.call('POST', '/v1/jobs', { type: 'parse', ...body });
  const pathsOf = (answer: Answer): string[] => {
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed']);
    return answer.body.errors.map(({ path }: { path: string }) => path);
  };

  it.each<[string, (own: string) => Record<string, unknown>]>([
    ['as text', (own) => ({ input: own })],
    ['in a list', (own) => ({ input: [own, 'https://example.com/a.pdf', own] })],
    ['as file_id', (own) => ({ input: { file_id: own } })],
    ['in the answer of an upload', (own) => ({ input: { id: own, file_id: own } })],
    [
      'as document_url of an edit',
      (own) => ({ type: 'edit', document_url: own, edit_instructions: 'sign' }),
    ],
    [
      'as file_id of an edit',
      (own) => ({ type: 'edit', document_url: { file_id: own }, edit_instructions: 'sign' }),
    ],
    ['in its metadata, which Reducto never sees', (own) => ({ input: own, metadata: { own } })],
  ])('can use an upload of its service %s', async (_case, body) => {
    expect((await submit(body(id))).status).toBe(202);
  });

  it.each<[string, (own: string) => string]>([
    ['unknown', () => 'reducto://8f6f2c3a-0000-4000-8000-000000000000.pdf'],
    ['upper case', (own) => own.toUpperCase()],
    ['an upper-case scheme', (own) => own.replace('reducto', 'REDUCTO')],
    ['mixed case', (own) => own.replace('reducto', 'rEdUcTo')],
    ['an upper-case id', (own) => `reducto://${own.slice(10).toUpperCase()}`],
    ['a space before', (own) => ` ${own}`],
    ['a space behind', (own) => `${own} `],
    ['a line break before', (own) => `\n${own}`],
    ['a non-breaking space before', (own) => `\u00a0${own}`],
    ['a byte order mark before', (own) => `\ufeff${own}`],
    ['a zero-width space before', (own) => `\u200b${own}`],
    ['a zero-width space within the scheme', (own) => own.replace('red', 'red\u200b')],
    ['a soft hyphen within the scheme', (own) => own.replace('red', 'red\u00ad')],
    ['a tab within the scheme', (own) => own.replace('red', 'red\t')],
    ['a control character before', (own) => `\u0001${own}`],
    ['a query', (own) => `${own}?x=1`],
    ['a fragment', (own) => `${own}#x`],
    ['a path', (own) => `${own}/x`],
    ['a path up', (own) => `${own}/../x`],
    ['a slash behind', (own) => `${own}/`],
    ['no extension', (own) => own.replace(/\.pdf$/, '')],
    ['another extension', (own) => own.replace(/\.pdf$/, '.docx')],
    ['no scheme', (own) => own.replace('reducto://', '')],
    ['slashes only', (own) => own.replace('reducto:', '')],
    ['one slash', (own) => own.replace('://', ':/')],
    ['three slashes', (own) => own.replace('://', ':///')],
    ['no slashes', (own) => own.replace('://', ':')],
    ['backslashes', (own) => own.replace('://', ':\\\\')],
    ['a user', (own) => own.replace('://', '://user@')],
    ['a port', (own) => `${own}:443`],
    ['an encoded colon', (own) => own.replace(':', '%3A')],
    ['encoded slashes', (own) => own.replace('//', '%2F%2f')],
    ['an encoded letter', (own) => own.replace('r', '%72')],
    ['an encoded dot', (own) => own.replace('.pdf', '%2Epdf')],
    ['a letter encoded twice', (own) => own.replace('r', '%2572')],
    ['a letter encoded three times', (own) => own.replace('r', '%252572')],
    ['a fullwidth letter', (own) => own.replace('r', 'ｒ')],
    ['a fullwidth letter, encoded', (own) => own.replace('r', '%EF%BD%92')],
    ['a fullwidth colon', (own) => own.replace(':', '：')],
    ['quotes', (own) => `"${own}"`],
    ['angle brackets', (own) => `<${own}>`],
    ['another scheme before', (own) => `url:${own}`],
    ['jobid before', (own) => `reducto+${own}`],
    ['a list in one text', (own) => `https://example.com/a.pdf,${own}`],
    ['lines in one text', (own) => `https://example.com/a.pdf\n${own}`],
    ['JSON in a text', (own) => JSON.stringify({ file_id: own })],
    ['a file URL', (own) => `file:${own}`],
  ])('cannot use a reducto:// id spelled otherwise: %s', async (_case, spell) => {
    const spelled = spell(id);
    expect(pathsOf(await submit({ input: spelled }))).toContain('input');
    expect(pathsOf(await submit({ input: ['https://example.com/a.pdf', spelled] }))).toEqual([
      'input.1',
    ]);
    expect(pathsOf(await submit({ input: { file_id: spelled } }))).toEqual(['input.file_id']);
    expect(
      pathsOf(await submit({ type: 'edit', document_url: spelled, edit_instructions: 'sign' })),
    ).toContain('document_url');
  });

  it('rejects a job with more than 1000 documents', async () => {
    const documents = (count: number) => Array.from({ length: count }, () => id);
    expect((await submit({ input: documents(1000) })).status).toBe(202);
    expect(pathsOf(await submit({ input: documents(1001) }))).toEqual(['input']);
  });

  it('rejects a job with the path of each unknown upload', async () => {
    const unknown = 'reducto://8f6f2c3a-0000-4000-8000-000000000000.pdf';
    expect(pathsOf(await submit({ input: [id, unknown, id, unknown] }))).toEqual([
      'input.1',
      'input.3',
    ]);
  });

  it.each<[string, (own: string) => Record<string, unknown>, string]>([
    ['document_url beside input', () => ({ document_url: 'reducto://other.pdf' }), 'document_url'],
    ['a nested option', (own) => ({ settings: { files: [own] } }), 'settings.files.0'],
    ['a prompt that is an id', (own) => ({ system_prompt: own }), 'system_prompt'],
    ['an unknown field', (own) => ({ url: own }), 'url'],
    ['an escaped text', (own) => ({ url: ` \t${own.toUpperCase()}` }), 'url'],
    ['an encoded text', (own) => ({ url: own.replace(':', '%3a') }), 'url'],
    ['a field beside file_id', (own) => ({ input: { file_id: own, x: 'reducto:y' } }), 'input.x'],
    [
      'a presigned URL',
      (own) => ({ input: { file_id: own, presigned_url: 'REDUCTO://y' } }),
      'input.presigned_url',
    ],
  ])('cannot name an upload in %s', async (_case, body, path) => {
    const answer = await submit({ input: 'https://example.com/a.pdf', ...body(id) });
    expect(pathsOf(answer)).toEqual([path]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['https URLs', { input: 'https://example.com/reducto-report.pdf?name=reducto%3A2' }],
    ['other schemes', { input: 's3://bucket/reducto/a.pdf' }],
    ['prose about Reducto', { system_prompt: 'Reducto: read reducto://x as it is.' }],
    ['a name', { title: 'reducto' }],
  ])('can hold %s', async (_case, body) => {
    expect((await submit({ input: 'https://example.com/a.pdf', ...body })).status).toBe(202);
  });
});

/** An upload that ends on request. */
function slowUpload(key: string) {
  const begun = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from(
      '--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\nslow ',
    );
    begun.resolve();
    await finished.promise;
    yield Buffer.from('content\r\n--x--\r\n');
  }
  const answer = request(`${gateway.url}/v1/uploads`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${gateway.key}`,
      'content-type': 'multipart/form-data; boundary=x',
      'idempotency-key': key,
    },
    body: body() as never,
  }).then(({ body: answered }) => answered.json() as Promise<{ id: string }>);
  return {
    begun: begun.promise,
    finish: finished.resolve,
    breakOff: () => finished.reject(new Error('broken off')),
    answer,
  };
}
