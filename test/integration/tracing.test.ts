import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import { startCollector, type Collector, type ExportedSpan } from '../support/collector.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const traceparent = `00-${TRACE}-${PARENT}-01`;

let open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.toReversed()) await close();
  open = [];
});

async function traced(
  answer: number,
  environment: Record<string, string> = {},
): Promise<{ collector: Collector; gateway: TestGateway; stop: () => Promise<void> }> {
  const collector = await startCollector(answer);
  const gateway = await startGateway({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    // Callbacks end the jobs here: polls come too late.
    POLL_SCHEDULE_SECONDS: '600',
    ...environment,
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= gateway.close());
  open = [() => collector.close(), stop];
  return { collector, gateway, stop };
}

const attribute = (span: ExportedSpan | undefined, name: string): unknown =>
  Object.values(span?.attributes.find(({ key }) => key === name)?.value ?? {})[0];

const SUBMIT = { type: 'parse', input: 'https://example.com/a.pdf' };

describe('with a collector', () => {
  it('connects request, submit, callback, poll, and result of a job', async () => {
    const { collector, gateway, stop } = await traced(200);
    const { body } = await gateway.call('POST', '/v1/jobs', SUBMIT, { traceparent });
    await gateway.ended(body.id);
    for (const path of ['/health/live', '/health/ready', '/metrics'])
      await gateway.call('GET', path);
    await stop();
    const one = (name: string): ExportedSpan => {
      const [found, ...more] = collector.spans.filter(
        (span) => span.name === name && attribute(span, 'gateway.job_id') === body.id,
      );
      if (found === undefined || more.length > 0)
        throw new Error(
          `not one span ${name} but ${more.length + 1}: ${collector.spans.map((span) => span.name).join()}`,
        );
      return found;
    };
    const childOf = (parent: ExportedSpan, name: string): ExportedSpan | undefined =>
      collector.spans.find(
        (span) =>
          span.name === name &&
          span.parentSpanId === parent.spanId &&
          span.traceId === parent.traceId,
      );

    const request = one('POST /v1/jobs');
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, kind: 2 });
    expect(attribute(request, 'http.response.status_code')).toBe(202);
    const submit = one('submit');
    expect(submit.traceId).not.toBe(TRACE);
    expect(submit.parentSpanId ?? '').toBe('');
    expect(submit.links).toMatchObject([{ traceId: TRACE, spanId: request.spanId }]);
    const sent = childOf(submit, 'reducto submit');
    expect(attribute(sent, 'reducto.answer')).toBe('accepted');
    expect(sent?.kind).toBe(3);

    const callback = one('POST /webhooks/reducto');
    const poll = one('poll');
    expect(poll.links).toMatchObject([{ traceId: callback.traceId, spanId: callback.spanId }]);
    expect(attribute(childOf(poll, 'reducto poll'), 'reducto.answer')).toBe('completed');
    expect(childOf(poll, 'result fetch')).toBeDefined();
    expect(collector.spans.every(({ name }) => !/health|metrics/.test(name))).toBe(true);
    const logged = gateway.logs.filter((line) => line.includes(TRACE));
    expect(logged.length).toBeGreaterThan(0);
  });

  it('links each of many callbacks that were stored together to its own poll', async () => {
    const { collector, gateway, stop } = await traced(200);
    const ids = await Promise.all(Array.from({ length: 30 }, () => gateway.submit()));
    for (const id of ids) await gateway.ended(id);
    await stop();
    const polls = collector.spans.filter(
      ({ name, links = [] }) => name === 'poll' && links.length > 0,
    );
    expect(polls.length).toBeGreaterThan(20);
    for (const poll of polls) {
      const callback = collector.spans.find(({ spanId }) => spanId === poll.links?.[0]?.spanId);
      if (callback?.name !== 'POST /webhooks/reducto') continue;
      expect(attribute(callback, 'gateway.job_id')).toBe(attribute(poll, 'gateway.job_id'));
    }
  });

  it('ignores the trace context of an unauthenticated sender', async () => {
    const { collector, gateway, stop } = await traced(200, { OTEL_TRACES_SAMPLER_ARG: '0' });
    await send(`${gateway.url}/webhooks/reducto`, 'POST', {}, { traceparent });
    await send(`${gateway.url}/v1/jobs`, 'GET', undefined, { traceparent });
    await gateway.call('GET', '/v1/jobs');
    for (const bad of ['00-0-0-01', `00-${'0'.repeat(32)}-${PARENT}-01`, 'x'.repeat(5000)])
      await gateway.call('GET', '/v1/jobs', undefined, { traceparent: bad });
    await stop();
    expect(collector.spans.map(({ name, traceId }) => [name, traceId])).toEqual([
      ['GET /v1/jobs', TRACE],
    ]);
  });

  it('exports no key, token, password, URL, address, document, or metadata', async () => {
    const secrets = {
      OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=collector%2Dsecret',
      BOOTSTRAP_ADMIN_KEY: 'admin-secret-'.padEnd(40, 'x'),
    };
    const { collector, gateway, stop } = await traced(200, secrets);
    const input =
      'https://bucket.example.com/confidential-name.pdf?X-Amz-Signature=0123456789abcdef';
    const { body } = await gateway.call('POST', '/v1/jobs?note=in-the-query', {
      type: 'parse',
      input,
      metadata: { customer: 'metadata-secret' },
    });
    await gateway.ended(body.id);
    const result = await gateway.call('GET', `/v1/jobs/${body.id}/result`);
    await send(
      `${gateway.url}/webhooks/reducto`,
      'POST',
      { status: 'Completed', job_id: 'stranger-id', metadata: { token: 'v1.stranger-token' } },
      { 'x-forwarded-for': '203.0.113.77', 'user-agent': 'stranger-agent' },
    );
    await send(`${gateway.url}/no/such/path-secret`, 'GET');
    await gateway.call('POST', '/v1/jobs', '{"broken-json-secret');
    await stop();
    const text = collector.bodies.join('\n');
    expect(collector.spans.length).toBeGreaterThan(6);
    const token = gateway.tokens.signJobId(body.id);
    for (const secret of [
      gateway.key,
      gateway.sandbox.apiKey,
      token,
      token.slice(3),
      input,
      'confidential-name',
      'X-Amz',
      'in-the-query',
      'metadata-secret',
      'stranger',
      '203.0.113.77',
      '127.0.0.1',
      'path-secret',
      'broken-json-secret',
      'collector-secret',
      'admin-secret',
      'postgres',
      'invoices',
      JSON.stringify(result.body).slice(20, 60),
    ]) {
      expect(secret.length).toBeGreaterThan(4);
      expect(text).not.toContain(secret);
    }
    expect(collector.headers.every((headers) => headers['x-api-key'] === 'collector-secret')).toBe(
      true,
    );
  });

  it('marks the span of a failed request to Reducto with the kind of failure', async () => {
    const { collector, gateway, stop } = await traced(200, {
      REDUCTO_BASE_URL: `http://127.0.0.1:${await freePort()}`,
    });
    await gateway.submit();
    await eventually(
      'a deferred submit',
      async () =>
        String((await gateway.call('GET', '/metrics')).body).includes('answer="deferred"') ||
        undefined,
    );
    await stop();
    const sent = collector.spans.find(({ name }) => name === 'reducto submit');
    expect(attribute(sent, 'reducto.answer')).toBe('deferred');
  });
});

/** Generous: the exporter alone would retry and wait for minutes. */
const STOP_MILLISECONDS = 20_000;

describe('a collector that is unreachable, silent, or failing', () => {
  it.each([
    ['unreachable', -1],
    ['silent', 0],
    ['failing', 500],
  ])(
    '%s: does not delay jobs or a shutdown, and bounds the queue of spans',
    async (_what, answer) => {
      const { collector, gateway, stop } = await traced(Math.max(answer, 0));
      if (answer === -1) await collector.close();
      open = open.filter((_close, n) => answer !== -1 || n > 0);
      await gateway.ended(await gateway.submit());
      const ask = async (): Promise<void> => {
        for (let n = 0; n < 300; n++) await gateway.app.inject({ method: 'GET', url: '/no/route' });
      };
      await Promise.all(Array.from({ length: 20 }, ask));
      const begin = performance.now();
      await stop();
      expect(performance.now() - begin).toBeLessThan(STOP_MILLISECONDS);
      // 6000 requests: a queue of 2048, and what was under way before it was full.
      const bound = answer === 0 ? 2048 + 3 * 512 : Infinity;
      expect(collector.spans.length).toBeLessThan(bound);
      const warnings = gateway.logs.filter((line) => line.includes('spans could not be exported'));
      expect(warnings.length).toBeLessThanOrEqual(1);
    },
  );
});

it('creates no spans and stores no trace context without a collector', async () => {
  const gateway = await startGateway();
  open = [() => gateway.close()];
  const { body } = await gateway.call('POST', '/v1/jobs', SUBMIT, { traceparent });
  await gateway.ended(body.id);
  const { rows } = await gateway.pool.query('SELECT trace, trigger_trace FROM jobs');
  expect(rows).toEqual([{ trace: null, trigger_trace: null }]);
  expect(gateway.logs.join('')).not.toContain('traceId');
});
