import { readdir, stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text } from 'node:stream/consumers';
import { toFile } from 'reductoai';
import { expect, test } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { bench, call, clientOf, post, submitAndEnd } from './support.js';

const MEGABYTE = 1024 * 1024;

/** Called before each megabyte with the number of bytes already handed to the connection. */
type Progress = (bytesSent: number) => Promise<void>;

/** A multipart body of `megabytes`, one at a time: neither side needs to hold it. */
async function* multipartBody(
  boundary: string,
  megabytes: number,
  progress?: Progress,
): AsyncGenerator<Buffer> {
  const part = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="big.txt"\r\nContent-Type: text/plain\r\n\r\n`;
  yield Buffer.from(part);
  const megabyte = Buffer.alloc(MEGABYTE, 'x');
  for (let sent = 0; sent < megabytes; sent++) {
    await progress?.(sent * MEGABYTE);
    yield megabyte;
  }
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

async function streamUpload(
  url: string,
  key: string,
  megabytes: number,
  progress?: Progress,
): Promise<{ status: number | undefined; body: string }> {
  const boundary = 'sandbox-boundary';
  const request = httpRequest(`${url}/upload`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': `multipart/form-data; boundary=${boundary}`,
    },
  });
  const answered = new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      void text(response).then((body) => resolve({ status: response.statusCode, body }));
    });
  });
  await pipeline(Readable.from(multipartBody(boundary, megabytes, progress)), request);
  return answered;
}

test('streams a 90 MB upload to disk without buffering it in memory', async () => {
  const { sandbox } = await bench();
  const directory = await sandbox.uploads.directory();
  let mostInFlight = 0;
  const { status } = await streamUpload(sandbox.url, sandbox.apiKey, 90, async (bytesSent) => {
    mostInFlight = Math.max(mostInFlight, bytesSent - (await bytesIn(directory)));
  });
  expect(status).toBe(200);
  const { json } = await call(`${sandbox.controlUrl}/state`);
  expect(json).toMatchObject({ uploads: [{ bytes: 90 * MEGABYTE }] });
  // Allows for socket and stream buffers on both sides; the document would take 90 MB.
  expect(mostInFlight).toBeLessThan(20 * MEGABYTE);
});

async function bytesIn(directory: string): Promise<number> {
  const sizes = (await readdir(directory)).map(
    async (name) => (await stat(join(directory, name))).size,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test('refuses an upload above the limit with 413 after reading all of it', async () => {
  const { sandbox } = await bench({ platform: { uploadLimitBytes: 2 * MEGABYTE } });
  const { status, body } = await streamUpload(sandbox.url, sandbox.apiKey, 8);
  expect(status).toBe(413);
  expect(body).toContain('presigned');
  expect((await call(`${sandbox.controlUrl}/state`)).json).toMatchObject({ uploads: [] });
});

test('accepts an upload of exactly the limit', async () => {
  const { sandbox } = await bench({ platform: { uploadLimitBytes: 2 * MEGABYTE } });
  expect((await streamUpload(sandbox.url, sandbox.apiKey, 2)).status).toBe(200);
});

test('accepts the bytes of a presigned upload by PUT under its own link only', async () => {
  const test = await bench();
  const { file_id: input, presigned_url: link } = await test.client.upload({ extension: '.txt' });
  expect(input).toMatch(/\.txt$/u);
  const early = await submitAndEnd(test, { input });
  expect((await test.client.job.get(early)).status).toBe('Failed');

  const forged = `${link}`.replace(/signature=.{8}/u, 'signature=00000000');
  expect((await call(forged, { method: 'PUT', body: 'no' })).status).toBe(403);
  expect((await call(`${link}`, { method: 'PUT', body: 'Arrived later' })).status).toBe(200);
  const id = await submitAndEnd(test, { input });
  expect(JSON.stringify(await test.client.job.get(id))).toContain('Arrived later');
});

test.each([
  ['a string', 'file.pdf'],
  ['a Buffer', { type: 'Buffer', data: [1, 2, 3] }],
  ['a list of bytes', [1, 2, 3]],
])('refuses %s as a file in JSON', async (_case, file) => {
  const { sandbox } = await bench({ platform: { auth: 'off' } });
  expect(await post(`${sandbox.url}/upload`, { file })).toMatchObject({
    status: 422,
    json: { detail: [{ loc: ['body', 'file'] }] },
  });
});

const multipart = { 'content-type': 'multipart/form-data; boundary=b' };

test.each<[string, RequestInit]>([
  ['no body', {}],
  ['an empty JSON body', { headers: { 'content-type': 'application/json' } }],
  ['JSON {}', { headers: { 'content-type': 'application/json' }, body: '{}' }],
  ['a null file', { headers: { 'content-type': 'application/json' }, body: '{"file":null}' }],
  ['an empty multipart', { headers: multipart, body: '--b--\r\n' }],
  ['a multipart of 0 bytes', { headers: multipart }],
  [
    'a multipart with other fields only',
    {
      headers: multipart,
      body: '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n',
    },
  ],
])('returns a presigned link for an upload with %s', async (_case, init) => {
  const { sandbox } = await bench({ platform: { auth: 'off' } });
  const { status, json } = await call(`${sandbox.url}/upload`, { method: 'POST', ...init });
  expect({ status, json }).toEqual({
    status: 200,
    json: {
      file_id: expect.stringMatching(/^reducto:\/\//u),
      presigned_url: expect.stringContaining('/presigned/'),
    },
  });
});

test.each([
  ['raw', (id: string) => id],
  ['escaped', (id: string) => id.replaceAll('/', '%2F')],
  ['escaped whole', encodeURIComponent],
])('deletes an upload by its %s id, once', async (_form, written) => {
  const test = await bench();
  const file = await toFile(Buffer.from('x'), 'x.txt');
  const { file_id: id } = await test.client.upload({ file });
  const remove = (): Promise<unknown> => test.client.delete(`/upload/${written(id)}`);
  expect(await remove()).toEqual({ file_id: id });
  await expect(remove()).rejects.toMatchObject({ status: 404 });
  const job = await submitAndEnd(test, { input: id });
  expect((await test.client.job.get(job)).status).toBe('Failed');
});

test('deletes uploaded files on close', async () => {
  const sandbox = await startSandbox();
  await clientOf(sandbox).upload({ file: await toFile(Buffer.from('x'), 'x.txt') });
  const directory = await sandbox.uploads.directory();
  expect(await readdir(directory)).toHaveLength(1);
  await sandbox.close();
  await expect(readdir(directory)).rejects.toMatchObject({ code: 'ENOENT' });
});
