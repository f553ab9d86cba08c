import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ResultStore } from '../../src/jobs/results/result.store.js';
import { collectYoungGarbage } from '../../src/platform/collect-garbage.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ RESULT_GRACE_SECONDS: '6', RESULT_MAX_BYTES: '80000000' });
});
afterAll(() => gateway.close());

async function shapeOf(id: string): Promise<unknown> {
  const { body } = await gateway.call('GET', `/v1/jobs/${id}/result`);
  return {
    outer: Object.keys(body).toSorted(),
    inner: Object.keys(body.result).toSorted(),
    type: body.result.type,
  };
}

describe('a result behind a URL', () => {
  it('gives a result behind a URL the inline shape in both documented forms', async () => {
    const inline = await gateway.submit();
    await gateway.ended(inline);
    const expected = await shapeOf(inline);
    const fromObject = await gateway.submit({
      sim: { forceUrlResult: true, resultForm: 'object' },
    });
    await gateway.ended(fromObject);
    expect(await shapeOf(fromObject)).toEqual(expected);
    const fromArray = await gateway.submit({ sim: { forceUrlResult: true, resultForm: 'array' } });
    await gateway.ended(fromArray);
    // A bare array holds nothing beside the chunks.
    expect(await shapeOf(fromArray)).toMatchObject({ type: 'full', inner: ['chunks', 'type'] });
  });

  it.each([
    'expired',
    'forbidden',
    'error',
    'truncated',
    'notJson',
    'wrongContentType',
    'redirect',
  ])('is fetched again when the download goes wrong once (%s)', async (fault) => {
    const id = await gateway.submit({
      sim: { forceUrlResult: true, resultUrl: { fault, times: 1 } },
    });
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed' });
    const { body } = await gateway.call('GET', `/v1/jobs/${id}/result`);
    expect(body.result.chunks.length).toBeGreaterThan(0);
  });

  it('fails a job whose result cannot be fetched, with a reason and without orphans', async () => {
    const id = await gateway.submit({
      sim: { forceUrlResult: true, resultUrl: { fault: 'truncated' } },
    });
    expect(await gateway.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'result_unavailable', retryable: true },
    });
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS left FROM result_chunks WHERE content_id NOT IN (SELECT content_id FROM job_results)`,
    );
    expect(rows).toEqual([{ left: 0 }]);
  });

  it('streams a stored result of 300 MB without buffering it', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const results = gateway.app.get(ResultStore, { strict: false });
    const content = await results.writeContent(
      (async function* () {
        for (let sent = 0; sent < 300; sent++) yield Buffer.alloc(1_000_000, ' ');
      })(),
    );
    await gateway.pool.query(
      'UPDATE job_results SET content_id = $1, size_bytes = $2, stored_bytes = $3 WHERE job_id = $4',
      [content.contentId, content.sizeBytes, content.storedBytes, id],
    );
    const before = process.memoryUsage().arrayBuffers;
    const response = await fetch(`${gateway.url}/v1/jobs/${id}/result`, {
      headers: { authorization: `Bearer ${gateway.key}`, 'accept-encoding': 'identity' },
    });
    let size = 0;
    let peak = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    }
    expect(size).toBe(300_000_000);
    // The client is in this process too, and V8 clears away what both have let go of when it likes.
    expect(peak - before).toBeLessThan(150_000_000);
  });

  it('stores a result of 100 MB without buffering it', async () => {
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    const content = async function* (): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < 100; sent++) {
        yield randomBytes(1_000_000);
        peak = Math.max(peak, process.memoryUsage().arrayBuffers);
      }
    };
    const results = gateway.app.get(ResultStore, { strict: false });
    const { contentId, sizeBytes } = await results.writeContent(collectYoungGarbage(content()));
    await results.discardContents([contentId]);
    expect(sizeBytes).toBe('100000000');
    // V8 also holds what is no longer used, for longer if other threads wait for the processor.
    expect(peak - before).toBeLessThan(70_000_000);
  });

  it.each([
    [3, 'read'],
    [4, 'the host of the result redirects too often'],
  ])('after %i redirects, a download ends with: %s', async (redirects, outcome) => {
    const { ResultDownload } = await import('../../src/reducto/result-download.js');
    const server = createServer(({ url = '' }, response) => {
      const left = Number(url.slice(1));
      if (left > 0) response.writeHead(302, { location: `/${left - 1}` }).end();
      else response.end('{}');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const settings = gateway.settings.with({ RESULT_URL_HOSTS: [`127.0.0.1:${port}`] });
    const download = new ResultDownload(settings);
    const read = async (): Promise<string> => {
      for await (const _ of download.read(`http://127.0.0.1:${port}/${redirects}`)) return 'read';
      return 'empty';
    };
    const failure = (error: unknown): string => (error instanceof Error ? error.message : '');
    expect(await read().catch(failure)).toBe(outcome);
    await download.onApplicationShutdown();
    server.close();
  });

  it('rejects a result URL with a private address unless the operator allows the host', async () => {
    const { ResultDownload } = await import('../../src/reducto/result-download.js');
    const { httpUrl } = await import('../../src/platform/config/setting-kinds.js');
    const read = async (address: string, hosts: string[] = []): Promise<string> => {
      const settings = gateway.settings.with({
        REDUCTO_BASE_URL: httpUrl('https://reducto.example'),
        RESULT_URL_HOSTS: hosts,
      });
      const download = new ResultDownload(settings);
      try {
        for await (const _ of download.read(address)) return 'read';
        return 'empty';
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      } finally {
        await download.onApplicationShutdown();
      }
    };
    const port = new URL(gateway.url).port;
    for (const host of [
      '127.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      'localhost',
      '10.0.0.1',
      '169.254.169.254',
      '2130706433',
    ]) {
      expect(await read(`https://${host}/health/live`)).toMatch(/private address/);
    }
    expect(await read(`http://example.com:${port}/health/live`)).toMatch(/not https/);
    expect(await read(`http://127.0.0.1:${port}/health/live`, [`127.0.0.1:${port}`])).toBe('read');
    expect(await read(`http://127.0.0.1:${port}/health/live`, ['127.0.0.1:443'])).toMatch(
      /RESULT_URL_HOSTS/,
    );
    expect(await read(`https://example.com/x`, ['files.example.com:443'])).toMatch(
      /RESULT_URL_HOSTS/,
    );
    expect(await read('file:///etc/passwd')).toMatch(/not https/);
  });
});

describe('unusual answers to a poll', () => {
  it.each([
    ['not found for a moment after the submit', { notFoundMs: 600 }],
    ['Completed without a result at first', { fault: 'http', httpStatus: 500, times: 1 }],
    ['truncated JSON', { fault: 'truncated', times: 1 }],
    ['a page of HTML with 404', { fault: 'htmlHttp', httpStatus: 404, times: 2 }],
    ['429', { fault: 'code2000', times: 1 }],
    ['a reset connection', { fault: 'reset', times: 1 }],
  ])('%s changes nothing', async (_, poll) => {
    const id = await gateway.submit({ sim: { poll, webhook: { send: 'never' } } });
    expect(await gateway.ended(id)).toMatchObject({ status: 'completed', settledBy: 'reconciler' });
  });

  it('an unknown status counts as not finished; the job expires at its maximum age', async () => {
    const id = await gateway.submit({ sim: { poll: { status: 'Daydreaming' } } });
    await expect.poll(async () => (await gateway.events(id)).includes('polled')).toBe(true);
    await gateway.pool.query(
      `UPDATE jobs SET created_at = now() - interval '2 days' WHERE id = $1`,
      [id],
    );
    expect(await gateway.ended(id)).toMatchObject({
      status: 'expired',
      error: { code: 'max_age_exceeded' },
    });
  });

  it('a job that Reducto no longer knows expires once that is confirmed', async () => {
    const gone = await startGateway({ NOT_FOUND_GRACE_SECONDS: '0', POLL_SCHEDULE_SECONDS: '1' });
    try {
      const id = await gone.submit({
        sim: { poll: { fault: 'http', httpStatus: 404 }, webhook: { send: 'never' } },
      });
      expect(await gone.ended(id)).toMatchObject({
        status: 'expired',
        error: { code: 'unknown_upstream' },
      });
      expect((await gone.events(id)).filter((type) => type === 'polled').length).toBeGreaterThan(0);
    } finally {
      await gone.close();
    }
  });

  it('gives a failed job without a reason a default reason', async () => {
    const id = await gateway.submit({ sim: { outcome: 'failed', reason: null } });
    expect((await gateway.ended(id)).reason).toMatch(/no reason/);
  });
});
