import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { getWithKey, LinkedResults, settingsFor, withImages } from '../support/linked-results.js';

/* Results that were stored when PUBLIC_API_URL had another value. */

const BEFORE = 'https://old.example.com/api';
const AFTER = 'https://new.example.com';

let results: LinkedResults;
let gateway: TestGateway;
let moved: TestGateway;
let id: string;

beforeAll(async () => {
  results = await LinkedResults.start();
  gateway = await startGateway({ ...settingsFor(results), PUBLIC_API_URL: BEFORE });
  moved = await startGateway({
    ...settingsFor(results),
    DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
    PUBLIC_API_URL: AFTER,
    ROLES: 'api',
  });
  results.completeWith(withImages(results.link('a'), results.link('b')));
  id = await gateway.submit();
  await gateway.ended(id);
});
afterAll(async () => {
  await moved.close();
  await gateway.close();
  await results.close();
});

const get = (from: TestGateway, headers?: Record<string, string>, method?: string) =>
  getWithKey(gateway, `${from.url}/v1/jobs/${id}/result`, headers, method);
const linksIn = (text: string): string[] => {
  const [{ blocks }] = JSON.parse(text).result.chunks;
  return blocks.map(({ image_url }: { image_url: string }) => image_url);
};
const linksOf = (base: string): string[] => [
  `${base}/v1/jobs/${id}/files/image-0001.png`,
  `${base}/v1/jobs/${id}/files/image-0002.png`,
];

describe('a result that was stored before PUBLIC_API_URL changed', () => {
  it('is served with links of the new URL', async () => {
    expect(linksIn(await (await get(moved)).text())).toEqual(linksOf(AFTER));
  });

  it('is served with them as gzip, too', async () => {
    const answer = await moved.app
      .getHttpAdapter()
      .getInstance()
      .inject({
        url: `/v1/jobs/${id}/result`,
        headers: {
          authorization: `Bearer ${gateway.key}`,
          'accept-encoding': 'gzip, identity;q=0',
        },
      });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(linksIn(gunzipSync(answer.rawPayload).toString())).toEqual(linksOf(AFTER));
  });

  it('differs from the other only in the links', async () => {
    const [old, current] = await Promise.all(
      [gateway, moved].map(async (from) => (await get(from)).text()),
    );
    expect(current).toBe(old?.replaceAll(`${BEFORE}/v1/`, `${AFTER}/v1/`));
  });

  it('has another ETag', async () => {
    const tags = await Promise.all(
      [gateway, moved].map(async (from) => (await get(from)).headers.get('etag')),
    );
    expect(new Set(tags).size).toBe(2);
  });

  it('is answered with 304 to its ETag', async () => {
    const etag = (await get(moved, {}, 'HEAD')).headers.get('etag') ?? '';
    expect((await get(moved, { 'if-none-match': etag })).status).toBe(304);
  });

  it('is answered whole to a request for a range', async () => {
    const answer = await get(moved, { range: 'bytes=0-9' });
    expect([answer.status, answer.headers.get('accept-ranges')]).toEqual([200, 'none']);
    expect(linksIn(await answer.text())).toEqual(linksOf(AFTER));
  });

  it('has no Content-Length of the stored result', async () => {
    expect((await get(moved, {}, 'HEAD')).headers.get('content-length')).toBeNull();
  });
});

it('a result keeps its ranges while PUBLIC_API_URL is the same', async () => {
  const answer = await get(gateway, { range: 'bytes=0-9', 'accept-encoding': 'identity' });
  expect([answer.status, (await answer.text()).length]).toEqual([206, 10]);
});
