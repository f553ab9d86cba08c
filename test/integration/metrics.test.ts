import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseMetrics } from '../support/exposition.js';
import { metricValue } from '../support/metrics.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';
import { tablesUnder } from '../support/markdown.js';

const CALLBACKS = '/webhooks/reducto';

/** A name that is given to a function that creates an instrument. */
const CREATED =
  /\b(?:create\w+|counter|hotHistogram|gauge)\(\s*'((?:gateway|process|nodejs)_[a-z_]+)'/g;

const textOf = async (gateway: TestGateway): Promise<string> =>
  String((await gateway.call('GET', '/metrics')).body);

/** Every series, without its value. */
const seriesOf = async (gateway: TestGateway): Promise<string[]> =>
  (await textOf(gateway))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));

describe('a gateway of all roles', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
    // Nothing listens there: the attempt fails.
    await gateway.call('POST', '/v1/endpoints', { url: 'http://127.0.0.1:1/' });
    await gateway.ended(await gateway.submit());
    await eventually('a sweep, an attempt, and a sample of the pools', async () => {
      const text = await textOf(gateway);
      return (
        (/^gateway_reconciler_sweep_duration_seconds_count [1-9]/m.test(text) &&
          text.includes('gateway_delivery_attempt_duration_seconds_count') &&
          text.includes('gateway_database_waiting{pool="requests"}')) ||
        undefined
      );
    });
  });
  afterAll(() => gateway.close());

  it('shows what docs/metrics.md says: names, types, labels and meanings', async () => {
    const document = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const shown = parseMetrics(await textOf(gateway)).map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', ') || '–',
      help,
    ]);
    const byName = (rows: string[][]): string[][] =>
      rows.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1));
    expect(byName(tablesUnder(document, 'metric'))).toEqual(byName(shown));
  });

  it('shows every metric that the source creates, also if nothing was recorded yet', async () => {
    const sources = import.meta.glob<string>('../../src/**/*.ts', { eager: true, query: '?raw' });
    const created = Object.entries(sources).flatMap(([, module]) =>
      [...String(Object(module).default).matchAll(CREATED)].map(([, name = '']) => name),
    );
    const shown = parseMetrics(await textOf(gateway)).map(({ name }) =>
      name.replace(/_total$/, ''),
    );
    expect(created.length).toBeGreaterThan(40);
    expect(created.filter((name) => !shown.includes(name))).toEqual([]);
  });

  it('names metrics by the conventions of Prometheus', async () => {
    for (const { name, type } of parseMetrics(await textOf(gateway))) {
      expect(name).toMatch(/^(gateway|process|nodejs)_[a-z_]+$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(milliseconds|ms|minutes|kilobytes|kb|mb)(_|$)/);
    }
  });

  it('follows a job from its acceptance to its end', async () => {
    const before = await Promise.all(
      [
        'gateway_submit_duration_seconds_count',
        'gateway_result_fetch_duration_seconds_count',
        'gateway_callbacks_accepted_total',
        'gateway_result_bytes_total',
      ].map((name) => metricValue(gateway, name)),
    );
    const begin = performance.now();
    await gateway.ended(await gateway.submit());
    const seconds = (performance.now() - begin) / 1000;
    await expect
      .poll(() => metricValue(gateway, 'gateway_submit_duration_seconds_count'))
      .toBe((before[0] ?? 0) + 1);
    expect(
      await metricValue(gateway, 'gateway_result_fetch_duration_seconds_count', {
        outcome: 'stored',
      }),
    ).toBe((before[1] ?? 0) + 1);
    expect(await metricValue(gateway, 'gateway_callbacks_accepted_total', { proof: 'token' })).toBe(
      (before[2] ?? 0) + 1,
    );
    expect(await metricValue(gateway, 'gateway_result_bytes_total')).toBeGreaterThan(
      (before[3] ?? 0) + 100,
    );
    expect(
      await metricValue(gateway, 'gateway_work_duration_seconds_count', {
        work: 'poll',
        outcome: 'done',
      }),
    ).toBeGreaterThanOrEqual(2);
    const submits = await metricValue(gateway, 'gateway_submit_duration_seconds_sum');
    expect(submits).toBeGreaterThan(0.001);
    expect(submits).toBeLessThan(seconds + 10);
  });

  it('counts requests by route, method and class of status, and times them in seconds', async () => {
    const count = (labels: Record<string, string>): Promise<number> =>
      metricValue(gateway, 'gateway_http_request_duration_seconds_count', labels);
    const route = '/v1/jobs/:id';
    const before = await count({ route, method: 'GET', status: '4xx' });
    for (const id of ['a', 'b?c=d', 'x%20y']) await gateway.call('GET', `/v1/jobs/${id}`);
    await expect.poll(() => count({ route, method: 'GET', status: '4xx' })).toBe(before + 3);

    const id = await gateway.submit({ type: 'parse', input: 'https://example.com/slow.pdf' });
    await gateway.ended(id);
    const sum = await metricValue(gateway, 'gateway_http_request_duration_seconds_sum', {
      route,
      status: '2xx',
    });
    expect(sum).toBeGreaterThan(0.05);
    expect(sum).toBeLessThan(60);
  });

  it('a flood of strange requests makes no series beyond a fixed number', async () => {
    const strange = async (n: number): Promise<void> => {
      for (const method of ['POST', 'PUT', 'GET', 'PURGE', 'MKCOL', 'SEARCH']) {
        const body = method === 'GET' ? undefined : `{"x${n}":${n}}`;
        await send(gateway.url + CALLBACKS, method, body, {
          'x-forwarded-for': `10.0.0.${n}`,
          'content-type': n % 2 ? 'text/plain' : 'application/json',
        });
        await send(`${gateway.url}/no/such/${n}`, method, body);
        await send(`${gateway.url}${CALLBACKS}/${n}`, method, body);
      }
    };
    for (const n of [1, 2]) await strange(n);
    const before = await seriesOf(gateway);
    for (let n = 3; n < 13; n++) await strange(n);
    expect(await seriesOf(gateway)).toEqual(before);
    expect(
      before.filter((name) => name.includes('_seconds_count') && name.includes('(no route)')),
    ).not.toEqual([]);
    for (const method of ['MKCOL', 'PURGE', 'SEARCH'])
      expect(before.join('\n')).not.toContain(method);
    const refused = await metricValue(gateway, 'gateway_callbacks_refused_total', {
      guard: 'well_formed',
    });
    expect(refused).toBeGreaterThanOrEqual(12 * 5);
  });

  it('names no job, no service and no key', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const text = await textOf(gateway);
    for (const secret of [id, 'invoices', gateway.key]) expect(text).not.toContain(secret);
  });
});
