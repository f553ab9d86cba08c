import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RetentionService } from '../../src/retention/retention.service.js';
import { send, startGateway, type TestGateway } from '../support/gateway.js';
import {
  answerOf,
  getWithKey,
  LinkedResults,
  settingsFor,
  withImages,
} from '../support/linked-results.js';
import { countOf, letAge, letGracePass } from '../support/old-jobs.js';

let results: LinkedResults;
let gateway: TestGateway;
let id: string;

/** Of three chunks. */
const LARGE = randomBytes(700_000);

beforeAll(async () => {
  results = await LinkedResults.start();
  gateway = await startGateway({
    ...settingsFor(results),
    FILE_LINK_MAX_SECONDS: '3600',
    RETENTION_INTERVAL_SECONDS: '86400',
  });
  const answers = [answerOf('<script>alert(1)</script>', 'text/html'), answerOf('', 'image/gif')];
  results.completeWith(
    withImages(results.link('large', LARGE), results.link('page'), results.link('empty')),
  );
  ['/stored/page', '/stored/empty'].forEach((path, n) => results.files.set(path, answers[n] ?? {}));
  id = await gateway.submit();
  await gateway.ended(id);
});
afterAll(async () => {
  await gateway.close();
  await results.close();
});

const urlOf = (name: string, job = id): string => `${gateway.url}/v1/jobs/${job}/files/${name}`;
const get = (name: string, headers?: Record<string, string>, method?: string): Promise<Response> =>
  getWithKey(gateway, urlOf(name), headers, method);
const bytesOf = async (answer: Response): Promise<Buffer> =>
  Buffer.from(await answer.arrayBuffer());

describe('a file', () => {
  it('is served with its type, size, hash, and name', async () => {
    const answer = await get('image-0001.png');
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '700000',
      'accept-ranges': 'bytes',
      'cache-control': 'private',
      'content-disposition': 'attachment; filename="image-0001.png"',
      'content-security-policy': `default-src 'none'; sandbox`,
      'x-content-type-options': 'nosniff',
    });
    expect((await bytesOf(answer)).equals(LARGE)).toBe(true);
  });

  it('has no body in the answer to HEAD', async () => {
    const answer = await get('image-0001.png', {}, 'HEAD');
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '700000']);
    expect(await answer.text()).toBe('');
  });

  it.each<[string, number, number]>([
    ['bytes=0-0', 0, 1],
    ['bytes=262143-262144', 262_143, 262_145],
    ['bytes=262144-', 262_144, 700_000],
    ['bytes=100000-650000', 100_000, 650_001],
    ['bytes=-5', 699_995, 700_000],
    ['bytes=699999-900000', 699_999, 700_000],
  ])('is served in part for %s', async (range, start, end) => {
    const answer = await get('image-0001.png', { range });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/700000`);
    expect((await bytesOf(answer)).equals(LARGE.subarray(start, end))).toBe(true);
  });

  it('refuses a range beyond its end', async () => {
    const answer = await get('image-0001.png', { range: 'bytes=700000-' });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */700000']);
    expect(await answer.json()).toMatchObject({ code: 'range_not_satisfiable' });
  });

  it('is whole if If-Range names another version', async () => {
    const answer = await get('image-0001.png', { range: 'bytes=0-9', 'if-range': '"other"' });
    expect([answer.status, (await bytesOf(answer)).length]).toEqual([200, 700_000]);
  });

  it('is not sent to a client that has it', async () => {
    const etag = (await get('image-0001.png', {}, 'HEAD')).headers.get('etag') ?? '';
    const answer = await get('image-0001.png', { 'if-none-match': `"x", W/${etag}` });
    expect([answer.status, await answer.text()]).toEqual([304, '']);
  });

  it('may be empty', async () => {
    const answer = await get('image-0003.gif');
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '0']);
    expect(await answer.text()).toBe('');
  });

  it('whose host declares a page has a type that no browser renders', async () => {
    const answer = await get('image-0002.bin');
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment/);
    expect(await answer.text()).toBe('<script>alert(1)</script>');
  });
});

it.each([
  'image-0001.jpg',
  'IMAGE-0001.PNG',
  'image-0001.png%00',
  '..%2f..%2fresult',
  '.%2e%2fresult',
  'x'.repeat(150),
  `'%20OR%201=1--`,
])('finds no file of the name %s', async (name) => {
  const answer = await get(name);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
});

it('says that an open job has no files yet', async () => {
  results.upstream.answers.poll = { body: '{"status":"Pending"}' };
  const open = await gateway.submit();
  for (const path of [`/v1/jobs/${open}/files`, `/v1/jobs/${open}/files/image-0001.png`]) {
    expect((await gateway.call('GET', path)).body.code).toBe('job_not_completed');
  }
});

describe('a signed link', () => {
  const signed = async (seconds = 60): Promise<string> => {
    const path = `/v1/jobs/${id}/files?signedSeconds=${seconds}`;
    const { body } = await gateway.call('GET', path);
    return body.files[0].url;
  };
  const code = async (url: string): Promise<[number, string]> => {
    const { status, body } = await send(url, 'GET');
    return [status, body.code];
  };

  it('reads the file without an API key', async () => {
    const url = await signed();
    expect(url.startsWith(`${gateway.url}/files/${id}/image-0001.png?expires=`)).toBe(true);
    const answer = await fetch(url, { headers: { range: 'bytes=0-99' } });
    expect(answer.status).toBe(206);
    expect((await bytesOf(answer)).equals(LARGE.subarray(0, 100))).toBe(true);
  });

  it.each<[string, (url: string) => string]>([
    ['of another file', (url) => url.replace('image-0001.png', 'image-0002.bin')],
    [
      'of another job',
      (url) =>
        url.replace(
          id,
          id.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
        ),
    ],
    [
      'that should last longer',
      (url) => url.replace(/expires=(\d+)/, (_, at) => `expires=${Number(at) + 1}`),
    ],
    ['with another signature', (url) => url.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))],
    ['of a key that does not exist', (url) => url.replace('signature=v1.', 'signature=v2.')],
    [
      'with the token of a callback',
      (url) => url.replace(/signature=.*/, `signature=${gateway.tokens.signJobId(id)}`),
    ],
  ])('refuses a link %s', async (_, change) => {
    expect(await code(change(await signed()))).toEqual([403, 'link_not_valid']);
  });

  it('refuses a link that has expired', async () => {
    const url = await signed(1);
    await expect.poll(() => code(url)).toEqual([403, 'link_not_valid']);
    expect((await send(url, 'GET')).body.detail).toContain('It expired at ');
  });

  it.each(['', '?expires=1', '?expires=x&signature=y', '?expires=1&expires=2&signature=y'])(
    'refuses the query "%s"',
    async (query) => {
      expect((await send(`${gateway.url}/files/${id}/image-0001.png${query}`, 'GET')).status).toBe(
        422,
      );
    },
  );

  it('is limited to FILE_LINK_MAX_SECONDS', async () => {
    const answer = await gateway.call('GET', `/v1/jobs/${id}/files?signedSeconds=3601`);
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid_query']);
    expect(answer.body.errors[0].message).toContain('FILE_LINK_MAX_SECONDS (3600)');
  });

  it('is valid as long as its key is', async () => {
    const url = await signed();
    const key = gateway.settings.TOKEN_KEYS?.[0]?.key.toString('base64') ?? '';
    const other = await startGateway({
      ...settingsFor(results),
      TOKEN_KEYS: `2:${randomBytes(32).toString('base64')},1:${key}`,
    });
    try {
      // The job is not in its database: the signature was accepted.
      expect(await code(url.replace(gateway.url, other.url))).toEqual([404, 'job_not_found']);
    } finally {
      await other.close();
    }
  });
});

it('begins with PUBLIC_API_URL, and the gateway removes its path', async () => {
  const other = await startGateway({
    ...settingsFor(results),
    PUBLIC_API_URL: 'https://files.example.com/api/',
  });
  try {
    results.completeWith(withImages(results.link('public')));
    const job = await other.submit();
    await other.ended(job);
    const { body } = await other.call('GET', `/v1/jobs/${job}/files`);
    const url = `https://files.example.com/api/v1/jobs/${job}/files/image-0001.png`;
    expect(body.files[0].url).toBe(url);
    const answer = await getWithKey(other, url.replace('https://files.example.com', other.url));
    expect(await answer.text()).toBe('content of public');
  } finally {
    await other.close();
  }
});

it('expires with the result', async () => {
  results.completeWith(withImages(results.link('old')));
  const old = await gateway.submit();
  await gateway.ended(old);
  const { body } = await gateway.call('GET', `/v1/jobs/${old}/files?signedSeconds=60`);
  await letAge(gateway.pool, old, 31);
  const sweep = () => gateway.app.get(RetentionService, { strict: false }).sweep();
  expect(await sweep()).toMatchObject({ results: 1 });
  for (const url of [
    urlOf('image-0001.png', old),
    body.files[0].url,
    `${gateway.url}/v1/jobs/${old}/files`,
  ]) {
    const answer = await getWithKey(gateway, url);
    expect([answer.status, (await answer.json()).code]).toEqual([410, 'result_expired']);
  }
  await letGracePass(gateway.pool);
  expect(await sweep()).toMatchObject({ chunks: 2 });
  expect(await countOf(gateway.pool, 'job_files', `job_id = '${old}'`)).toBe(0);
  expect((await get('image-0001.png')).status).toBe(200);
});
