import { describe, expect, test } from 'vitest';
import { anyDocument, bench, Bench, call, submitAndEnd } from './support.js';

/** The result link of a job of any type. */
async function linkOf({ client }: Bench, id: string): Promise<string> {
  const job = await client.job.get(id);
  const [, link] = /"type":"url","url":"(?<url>[^"]+)"/u.exec(JSON.stringify(job)) ?? [];
  if (link === undefined) throw new Error(`No link in ${JSON.stringify(job)}`);
  return link;
}

async function parseByUrl(test: Bench, sim: Record<string, unknown> = {}): Promise<string> {
  const id = await submitAndEnd(test, { ...anyDocument, sim: { forceUrlResult: true, ...sim } });
  return linkOf(test, id);
}

test('serves the result by URL with settings.force_url_result', async () => {
  const test = await bench();
  const body = { ...anyDocument, settings: { force_url_result: true } };
  const id = await submitAndEnd(test, body);
  expect((await test.client.job.get(id)).result).toMatchObject({
    job_id: id,
    usage: { num_pages: 1 },
    result: { type: 'url', url: expect.any(String), result_id: id },
  });
  const { json, headers } = await call(await linkOf(test, id));
  expect(json).toMatchObject({ type: 'full', chunks: [{ content: expect.any(String) }] });
  expect(headers.get('content-type')).toContain('application/json');
});

test('serves an array of chunks by URL with resultForm array', async () => {
  const test = await bench();
  const { json } = await call(await parseByUrl(test, { resultForm: 'array' }));
  expect(json).toEqual([expect.objectContaining({ content: expect.any(String) })]);
});

test('serves the result of an extract by URL', async () => {
  const test = await bench();
  const instructions = { schema: { type: 'object', properties: { a: { type: 'string' } } } };
  const body = { ...anyDocument, instructions, sim: { forceUrlResult: true } };
  const id = await submitAndEnd(test, body, 'extract');
  expect((await call(await linkOf(test, id))).json).toEqual([{ a: 'Sample a' }]);
});

test('serves a result above the inline limit by URL, and a smaller one inline', async () => {
  const test = await bench();
  const small = await submitAndEnd(test, { ...anyDocument, sim: { resultBytes: 100_000 } });
  const job = await test.client.job.get(small);
  expect(JSON.stringify(job).length).toBeGreaterThan(100_000);
  expect(job.result).toMatchObject({ result: { type: 'full' } });

  const large = await submitAndEnd(test, { ...anyDocument, sim: { resultBytes: 7_000_000 } });
  const { text, json } = await call(await linkOf(test, large));
  expect(text).toHaveLength(7_000_000);
  expect(json).toMatchObject({ type: 'full' });
});

test.each(['object', 'array'])('streams exactly 50 MB as %s', async (resultForm) => {
  const test = await bench();
  const bytes = 50_000_000;
  const response = await fetch(await parseByUrl(test, { resultBytes: bytes, resultForm }));
  let counted = 0;
  let start = '';
  let end = '';
  for await (const chunk of response.body ?? []) {
    const text = Buffer.from(chunk).toString();
    start = start === '' ? text.slice(0, 20) : start;
    end = text.slice(-4);
    counted += chunk.length;
  }
  expect(counted).toBe(bytes);
  expect(start).toMatch(resultForm === 'object' ? /^\{"chunks":\[\{/u : /^\[\{/u);
  expect(end).toMatch(resultForm === 'object' ? /\}$/u : /\]$/u);
});

describe('result links', () => {
  test('expire with a storage error', async () => {
    const test = await bench({ speed: 0, platform: { linkSeconds: 60 } });
    const link = await parseByUrl(test);
    await test.sandbox.clock.advance(60_000);
    const { status, headers, text } = await call(link);
    expect(status).toBe(403);
    expect(headers.get('content-type')).toContain('application/xml');
    expect(text).toContain('<Code>AccessDenied</Code><Message>Request has expired</Message>');
  });

  test('are signed anew on each read, or repeated', async () => {
    const test = await bench({ speed: 0, platform: { freshResultUrls: false } });
    const id = await submitAndEnd(test, { ...anyDocument, sim: { forceUrlResult: true } });
    const first = await linkOf(test, id);
    await test.sandbox.clock.advance(1_000);
    expect(await linkOf(test, id)).toBe(first);
    test.sandbox.platform.set({ freshResultUrls: true });
    expect(await linkOf(test, id)).not.toBe(first);
  });

  test('are refused with a wrong signature', async () => {
    const test = await bench();
    const link = new URL(await parseByUrl(test));
    link.searchParams.set('expires', '99999999999999');
    expect(await call(link.href)).toMatchObject({ status: 403 });
  });

  test('use the public URL if it is set', async () => {
    const test = await bench({ publicUrl: 'http://reducto.internal:4010' });
    expect(await parseByUrl(test)).toMatch(/^http:\/\/reducto\.internal:4010\/results\//u);
  });
});

describe('download faults', () => {
  test.each([
    ['expired', 403],
    ['forbidden', 403],
    ['notFound', 404],
    ['error', 500],
  ])('%s returns its storage error', async (fault, status) => {
    const test = await bench();
    const link = await parseByUrl(test, { resultUrl: { fault, times: 1 } });
    expect((await call(link)).status).toBe(status);
    expect((await call(link)).json).toMatchObject({ type: 'full' });
  });

  test('redirect sends the client to another link', async () => {
    const test = await bench();
    const link = await parseByUrl(test, { resultUrl: { fault: 'redirect', times: 1 } });
    const { status, headers } = await call(link, { redirect: 'manual' });
    expect(status).toBe(302);
    expect((await call(headers.get('location') ?? '')).json).toMatchObject({ type: 'full' });
  });

  test('wrongContentType sends HTML, and notJson sends text that is not JSON', async () => {
    const test = await bench();
    const html = await call(await parseByUrl(test, { resultUrl: { fault: 'wrongContentType' } }));
    expect(html.headers.get('content-type')).toContain('text/html');
    expect(html.json).toMatchObject({ type: 'full' });
    const text = await call(await parseByUrl(test, { resultUrl: { fault: 'notJson' } }));
    expect(text.json).toBeNull();
  });

  test('truncated closes the connection after half of the body', async () => {
    const test = await bench();
    const link = await parseByUrl(test, { resultUrl: { fault: 'truncated' } });
    await expect(call(link)).rejects.toThrow('terminated');
  });

  test('slow delays the first byte', async () => {
    const test = await bench({ speed: 0 });
    const link = await parseByUrl(test, { resultUrl: { fault: 'slow', delayMs: 5_000 } });
    let done = false;
    const download = call(link).then((answer) => {
      done = true;
      return answer;
    });
    await call(`${test.sandbox.controlUrl}/state`);
    expect(done).toBe(false);
    await untilDownloaded(test);
    await test.sandbox.clock.advance(5_000);
    expect((await download).json).toMatchObject({ type: 'full' });
  });
});

/** The job counts a download when its request arrives. */
async function untilDownloaded({ sandbox }: Bench): Promise<void> {
  while (sandbox.jobs.all().every((job) => job.downloads === 0)) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
