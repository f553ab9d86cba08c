import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';
import {
  answerOf,
  getWithKey,
  LinkedResults,
  settingsFor,
  withImages,
} from '../support/linked-results.js';
import { countOf } from '../support/old-jobs.js';
import type { RawAnswer } from '../support/raw-upstream.js';

/* Files that cannot be fetched, at once or for ever. */

let results: LinkedResults;
let gateway: TestGateway;

const LIMITS = {
  RESULT_FILE_MAX_BYTES: '100000',
  RESULT_FILES_TOTAL_MAX_BYTES: '150000',
  RESULT_FILE_TIMEOUT_SECONDS: '1',
};

beforeAll(async () => {
  results = await LinkedResults.start();
  gateway = await startGateway({ ...settingsFor(results), ...LIMITS });
});
afterAll(async () => {
  await gateway.close();
  await results.close();
});
beforeEach(() => results.reset());

async function linksOf(of: TestGateway, id: string): Promise<string[]> {
  const text = await (await getWithKey(of, `${of.url}/v1/jobs/${id}/result`)).text();
  return JSON.parse(text).result.chunks[0].blocks.map(
    ({ image_url }: { image_url: string }) => image_url,
  );
}

const orphans = (of: TestGateway): Promise<number> =>
  countOf(
    of.pool,
    'result_chunks',
    `content_id NOT IN (SELECT content_id FROM job_results UNION ALL SELECT content_id FROM job_files)`,
  );

/** A gateway with these settings, for one test. */
async function withGateway(
  settings: Record<string, string>,
  test: (gateway: TestGateway) => Promise<void>,
): Promise<void> {
  const other = await startGateway({ ...settingsFor(results), ...LIMITS, ...settings });
  try {
    await test(other);
  } finally {
    await other.close();
  }
}

const held: PromiseWithResolvers<RawAnswer>[] = [];
afterAll(() => held.forEach(({ resolve }) => resolve({})));
function never(): Promise<RawAnswer> {
  const answer = Promise.withResolvers<RawAnswer>();
  held.push(answer);
  return answer.promise;
}

describe('a file that cannot be fetched', () => {
  it.each<[string, RawAnswer | (() => Promise<RawAnswer>), string]>([
    ['that does not exist', { status: 404 }, 'answered 404'],
    ['whose link has expired', { status: 403, body: 'Request has expired' }, 'answered 403'],
    ['on a host that fails', { status: 500 }, 'answered 500'],
    [
      'that is larger than allowed',
      answerOf(Buffer.alloc(100_001)),
      'RESULT_FILE_MAX_BYTES (100000)',
    ],
    ['that never arrives', never, 'timed out'],
    [
      'that is cut off',
      { headers: { 'content-length': '10' }, body: 'short', breakOff: true },
      'the download of the result failed',
    ],
    [
      'whose last chunk is missing',
      { body: ['a', 'b'], breakOff: true },
      'the download of the result failed',
    ],
    [
      'that ends with the connection',
      {
        headers: { connection: 'close', 'transfer-encoding': 'identity' },
        body: 'all?',
        breakOff: true,
      },
      'did not say how long the file is',
    ],
    [
      'that redirects to a private address',
      { status: 302, headers: { location: 'https://169.254.169.254/latest/meta-data' } },
      'private address',
    ],
    [
      'that redirects to plain http elsewhere',
      { status: 302, headers: { location: 'http://example.com/' } },
      'not https',
    ],
    [
      'that redirects for ever',
      { status: 302, headers: { location: '/stored/gone' } },
      'redirects too often',
    ],
  ])('is named if it is one %s, and the others are stored', async (_, answer, reason) => {
    const gone = results.link('gone');
    results.files.set('/stored/gone', answer);
    results.completeWith(withImages(results.link('first'), gone, results.link('last')));
    const id = await gateway.submit();
    const job = await gateway.ended(id);
    expect(job).toMatchObject({ status: 'completed', error: null });
    expect(job.missingFiles).toEqual([
      { name: 'image-0002', reason: expect.stringContaining(reason) },
    ]);
    const base = `${gateway.url}/v1/jobs/${id}/files`;
    expect(await linksOf(gateway, id)).toEqual([
      `${base}/image-0001.png`,
      gone,
      `${base}/image-0003.png`,
    ]);
    expect(JSON.stringify(job)).not.toContain('secret');
    expect(gateway.logs.filter((line) => line.includes('X-Amz-Signature'))).toEqual([]);
    expect(await orphans(gateway)).toBe(0);
  });

  it('is named if all files together are larger than allowed', async () => {
    const body = Buffer.alloc(60_000);
    const links = ['a', 'b', 'c'].map((name) => results.link(name, body));
    results.completeWith(withImages(...links));
    const job = await gateway.ended(await gateway.submit());
    expect(job.missingFiles).toHaveLength(1);
    expect(job.missingFiles[0].reason).toContain('RESULT_FILES_TOTAL_MAX_BYTES (150000)');
    expect(await orphans(gateway)).toBe(0);
  });

  it('names 100 files at most', async () => {
    const links = Array.from({ length: 150 }, (_, n) => results.link(`many-${n}`));
    results.files.clear();
    results.completeWith(withImages(...links));
    const job = await gateway.ended(await gateway.submit());
    expect(job.missingFiles).toHaveLength(100);
  });

  it('fails the job with MISSING_FILES=fail, and leaves nothing', async () => {
    await withGateway({ MISSING_FILES: 'fail' }, async (other) => {
      const gone = results.link('gone');
      results.files.delete('/stored/gone');
      results.completeWith(withImages(results.link('first'), gone));
      const job = await other.ended(await other.submit());
      expect(job).toMatchObject({
        status: 'failed',
        error: { code: 'result_incomplete', retryable: true },
        missingFiles: [],
      });
      expect(job.error.message).toContain('1 of its files');
      await eventually('no bytes are left', async () =>
        (await countOf(other.pool, 'result_chunks')) === 0 ? true : undefined,
      );
    });
  });

  it('leaves its files to the next holder of the lease if the job was not failed under a lost lease', async () => {
    await withGateway({ MISSING_FILES: 'fail' }, async (other) => {
      const first = results.link('first');
      const late = results.link('late');
      let attempts = 0;
      results.files.set('/stored/late', async () => {
        attempts += 1;
        if (attempts > 1) return answerOf('late');
        // As if this process had been paused beyond its lease.
        await other.pool.query(
          `UPDATE jobs SET lease = gen_random_uuid(), next_check_at = now() + interval '0.5 s'`,
        );
        return { status: 403 };
      });
      results.completeWith(withImages(first, late));
      const id = await other.submit();
      expect(await other.ended(id)).toMatchObject({ status: 'completed', missingFiles: [] });
      expect(results.requestsOf('first')).toBe(1);
      const links = await linksOf(other, id);
      const texts = links.map(async (link) => (await getWithKey(other, link)).text());
      expect(await Promise.all(texts)).toEqual(['content of first', 'late']);
      expect(await orphans(other)).toBe(0);
    });
  });
});

describe('within RESULT_GRACE_SECONDS', () => {
  it('gets a fresh link for one that has expired, and downloads only that one', async () => {
    await withGateway({ RESULT_GRACE_SECONDS: '60' }, async (other) => {
      const [good, stale] = [results.link('good'), results.link('stale')];
      results.files.set('/stored/stale', { status: 403 });
      results.completeWith(withImages(good, stale));
      const id = await other.submit();
      await eventually('the job is deferred', async () => {
        const { body } = await other.call('GET', `/v1/jobs/${id}`);
        return body.reason?.includes('1 of its files cannot be fetched') === true
          ? true
          : undefined;
      });
      results.completeWith(
        withImages(`${good}&again`, results.link('stale').replace('secret', 'fresh')),
      );
      expect(await other.ended(id)).toMatchObject({ status: 'completed', missingFiles: [] });
      expect(results.requestsOf('good')).toBe(1);
      expect(results.requestsOf('stale')).toBe(2);
      const [first = ''] = await linksOf(other, id);
      expect(await (await getWithKey(other, first)).text()).toBe('content of good');
      expect(await orphans(other)).toBe(0);
    });
  });

  it('fetches a file again at once if its host failed', async () => {
    let requests = 0;
    const flaky = results.link('flaky');
    results.files.set('/stored/flaky', () => (++requests === 1 ? { status: 503 } : answerOf('ok')));
    results.completeWith(withImages(flaky));
    expect(await gateway.ended(await gateway.submit())).toMatchObject({ missingFiles: [] });
    expect(requests).toBe(2);
  });

  it('does not wait for a file that no attempt can fetch', async () => {
    await withGateway({ RESULT_GRACE_SECONDS: '3600' }, async (other) => {
      results.completeWith(withImages(results.link('huge', Buffer.alloc(200_000))));
      const job = await other.ended(await other.submit());
      expect(job).toMatchObject({ status: 'completed', missingFiles: [{ name: 'image-0001' }] });
    });
  });
});
