import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/audit/audit-log.js';
import { noBrowser, openWindow, overflow, startBrowser, type Window } from '../support/browser.js';
import { upstreamId } from '../support/console.js';
import { createEndpoint } from '../support/endpoints.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';
import { answer } from '../support/receiver.js';

/* The console shows untrusted content as text. */

const STRINGS = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(2)>`,
  `'><svg/onload=alert(3)>`,
  `</td></table><iframe src="javascript:alert(4)"></iframe>`,
  `javascript:alert(5)`,
  `</script><script>window.pwned = true</script>`,
  `<base href="http://evil.example/">`,
  `<meta http-equiv="refresh" content="0;url=http://evil.example/">`,
  `<style>*{display:none}</style><link rel=stylesheet href=http://evil.example/x.css>`,
  `<form action=http://evil.example><button>sign in</button></form>`,
  `{{constructor.constructor('alert(6)')()}}\${alert(7)}`,
  `&lt;script&gt;alert(8)&lt;/script&gt;&#x3c;img src=x onerror=alert(9)&#x3e;`,
  `--><!--<img src=x onerror=alert(10)>`,
  `\u202Etxt.exe\u2066 right to left \u05D0\u05D1`,
  `Z\u0351\u0344\u0301a\u0308\u0301l\u030Bgo \u{1F469}\u200D\u{1F4BB} \uFFFD\u200B`,
  `line\nbreak\rreturn\ttab\u0000null\u001b[31mred`,
  `__proto__`,
  'W'.repeat(300),
  `../../../../etc/passwd%00`,
  `' OR 1=1; DROP TABLE jobs; --`,
];
const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };

describe.skipIf(noBrowser !== undefined)(`hostile content ${noBrowser ?? ''}`, () => {
  let gateway: TestGateway;
  let browser: Browser;
  let window: Window;

  beforeAll(async () => {
    gateway = await startGateway({ ...QUIET, TRUSTED_PROXIES: '127.0.0.1' });
    browser = await startBrowser();
    window = await openWindow(browser, gateway, { viewport: { width: 360, height: 740 } });
    await window.signIn(await gateway.newKey('platform', ['admin']));
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });

  const post = (body: unknown, headers: Record<string, string> = {}, path = '') =>
    send(`${gateway.url}/webhooks/reducto${path}`, 'POST', body, headers);

  /** Headers of HTTP take no more than this. */
  const inHeader = (text: string): string => text.replace(/[^\u0020-\u007e]/g, '?');

  async function visit(path: string): Promise<void> {
    await window.page.goto(window.url + path);
    expect([path, await overflow(window.page)]).toEqual([path, 0]);
    expect(await window.page.evaluate(() => 'pwned' in globalThis)).toBe(false);
    expect(window.page.url()).toBe(new URL(window.url + path).href);
  }

  it('of refused callbacks stays text on every page that shows it', async () => {
    for (const text of STRINGS) {
      await post(
        {
          status: text,
          job_id: text,
          metadata: { gateway_job_id: text, token: text, [text]: text },
        },
        {
          'x-forwarded-for': inHeader(text),
          'user-agent': inHeader(text),
          'x-hostile': inHeader(text),
        },
        `?${encodeURIComponent(text)}`,
      );
      await post(text, { 'content-type': 'application/json' });
    }
    const { rows } = await gateway.pool.query(
      `SELECT count(*)::int AS n FROM audit_entries WHERE kind = 'refused'`,
    );
    await visit('/admin');
    await visit('/admin/refusals');
    const found = await gateway.pool.query(
      `SELECT id FROM audit_entries WHERE kind = 'refused' ORDER BY id`,
    );
    expect(found.rows.length).toBeGreaterThanOrEqual(Math.max(rows[0].n, STRINGS.length * 2));
    for (const { id } of found.rows) await visit(`/admin/refusals/${id}`);
    for (const text of STRINGS) {
      const asked = encodeURIComponent(text);
      await visit(`/admin/refusals?address=${asked}&job=${asked}&cause=${asked}&from=${asked}`);
      await visit(`/admin/jobs?id=${asked}&service=${asked}&status=${asked}&cursor=${asked}`);
    }
    expect(window.incidents).toEqual([]);
  });

  it('of jobs and accepted callbacks stays text', async () => {
    const metadata = Object.fromEntries(STRINGS.map((text, n) => [`${n} ${text}`, text]));
    delete metadata['15 line\nbreak\rreturn\ttab\u0000null\u001b[31mred'];
    const id = await gateway.submit({ metadata, sim: { webhook: { send: 'never' } } });
    const upstream = await upstreamId(gateway, id);
    const proof = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
    for (const text of STRINGS) {
      await post(
        { status: text, job_id: upstream, metadata: proof },
        { 'x-forwarded-for': inHeader(text) },
      );
    }
    await visit(`/admin/jobs/${id}`);
    await visit('/admin/jobs');
    expect(window.incidents).toEqual([]);
  });

  it('of endpoints and the answers of receivers stays text', async () => {
    const endpoints: string[] = [];
    for (const text of STRINGS) {
      const endpoint = await createEndpoint(
        gateway,
        (socket) =>
          void socket.write(answer('500 No', text, { 'x-hostile': inHeader(text).trim() })),
        {
          description: text.replaceAll('\u0000', '').slice(0, 200),
          metadata: { text: text.replaceAll('\u0000', '') },
          channels: null,
        },
      );
      const path = `${endpoint.receiver.url}/${encodeURIComponent(text)}?q=${encodeURIComponent(text)}`;
      await endpoint.call('PATCH', `/v1/endpoints/${endpoint.id}`, { url: path });
      await endpoint.call('POST', `/v1/endpoints/${endpoint.id}/test`);
      await endpoint.requests(1);
      endpoints.push(endpoint.id);
    }
    const { rows } = await eventually('all attempts', async () => {
      const found = await gateway.pool.query('SELECT event_id FROM delivery_attempts');
      return found.rows.length >= STRINGS.length ? found : undefined;
    });
    await visit('/admin/endpoints');
    await visit('/admin/events');
    for (const id of endpoints) {
      await visit(`/admin/endpoints/${id}`);
      await visit(`/admin/endpoints/${id}/recover`);
    }
    for (const { event_id: id } of rows) await visit(`/admin/events/${id}`);
    for (const text of STRINGS) {
      const asked = encodeURIComponent(text);
      await visit(`/admin/endpoints?service=${asked}&state=${asked}&cursor=${asked}`);
      await visit(`/admin/events?service=${asked}&jobId=${asked}&status=${asked}`);
    }
    expect(window.incidents).toEqual([]);
  });

  it('of admin actions stays text', async () => {
    const at = new Date();
    await gateway.app.get(AuditLog, { strict: false }).appendEntries(
      STRINGS.map((text) => text.replaceAll('\u0000', '')).map((text) => ({
        entry: {
          at,
          kind: 'action' as const,
          data: {
            action: text,
            actor: { service: text, via: text, keyId: text },
            detail: { text },
          },
        },
      })),
    );
    await visit('/admin/actions');
    expect(window.incidents).toEqual([]);
  });

  /** Generous: pages that read every refusal take minutes. */
  const TWELVE_PAGES_MILLISECONDS = 30_000;

  it('does not make pages slow in tens of thousands', async () => {
    const log = gateway.app.get(AuditLog, { strict: false });
    for (let n = 0; n < 40; n++) {
      await log.appendEntries(
        Array.from({ length: 1000 }, (_, place) => refusal(n * 1000 + place)),
      );
    }
    const began = performance.now();
    await visit('/admin');
    await visit('/admin/refusals?cause=token_missing');
    const { page } = window;
    const seen = new Set<string>();
    for (let n = 0; n < 5; n++) {
      const links = await page.getByRole('table').getByRole('link').all();
      for (const link of links) seen.add((await link.getAttribute('href')) ?? '');
      await page.getByRole('link', { name: 'Older' }).click();
      await page.getByRole('link', { name: 'Newest' }).waitFor();
    }
    expect(seen.size).toBe(250);
    expect(performance.now() - began).toBeLessThan(TWELVE_PAGES_MILLISECONDS);
    expect(await page.locator('[data-count=total]').textContent()).toMatch(/^4\d.\d\d\d$/);
    expect(window.incidents).toEqual([]);
  });

  function refusal(n: number): Parameters<AuditLog['appendEntries']>[0][number] {
    const clientAddress = `198.51.${(n >> 8) % 256}.${n % 256}`;
    const data = {
      cause: 'token_missing',
      guard: 'secret',
      status: 401,
      clientAddress,
      assertedUpstreamId: randomUUID(),
    };
    return { entry: { at: new Date(), kind: 'refused', data } };
  }
});
