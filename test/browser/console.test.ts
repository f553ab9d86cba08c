import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openWindow, overflow, startBrowser, type Window } from '../support/browser.js';
import { finishedUpstream, tokenKeysOf } from '../support/console.js';
import { createEndpoint, endJob } from '../support/endpoints.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';
import { answer } from '../support/receiver.js';

/* The console in a real browser: by keyboard, without scripts, and in narrow windows. */

const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };
const HEADINGS = [
  'Overview',
  'Refused callbacks',
  'Jobs',
  'Events',
  'Endpoints',
  'Services',
  'API keys',
  'Actions',
];
const PAGES = [
  '',
  '?range=1h',
  '/refusals',
  '/jobs',
  '/events',
  '/endpoints',
  '/services',
  '/services/invoices',
  '/keys',
  '/actions',
];

/** Runs in the page. */
function idsOnSeveralLines(): string[] {
  const wrapped: string[] = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    for (const id of (node.nodeValue ?? '').matchAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g)) {
      const range = document.createRange();
      range.setStart(node, id.index);
      range.setEnd(node, id.index + id[0].length);
      const lines = new Set([...range.getClientRects()].map(({ top }) => top));
      if (lines.size > 1) wrapped.push(id[0]);
    }
  }
  return wrapped;
}

describe.skipIf(noBrowser !== undefined)(`the console in a browser ${noBrowser ?? ''}`, () => {
  let gateway: TestGateway;
  let browser: Browser;
  let key: string;
  let open: Window[] = [];

  beforeAll(async () => {
    gateway = await startGateway(QUIET);
    browser = await startBrowser();
    key = await gateway.newKey('platform', ['admin']);
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });

  async function window(options?: Parameters<Browser['newContext']>[0]): Promise<Window> {
    const opened = await openWindow(browser, gateway, options);
    open.push(opened);
    return opened;
  }

  async function closeAll(): Promise<void> {
    for (const { context } of open) await context.close();
    open = [];
  }

  /** A job that waits, and a callback for it that was refused although it is genuine. */
  async function wronglyRefused(): Promise<string> {
    const id = await gateway.submit({ sim: { webhook: { send: 'never' } } });
    const upstream = await finishedUpstream(gateway, id);
    const strict = await startGateway({
      ...QUIET,
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
      TOKEN_KEYS: tokenKeysOf(gateway),
      WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24',
      ROLES: 'webhooks',
    });
    const metadata = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
    const callback = { status: 'Completed', job_id: upstream, metadata };
    const { status } = await send(`${strict.url}/webhooks/reducto`, 'POST', callback);
    await strict.close();
    expect(status).toBe(403);
    return id;
  }

  it('signs in and reaches every page by keyboard alone', async () => {
    const { page, url, incidents } = await window();
    await page.goto(`${url}/admin/jobs`);
    const { keyboard } = page;
    // The field has the focus by itself, once the page is drawn.
    await page.locator('input:focus').waitFor();
    await keyboard.type(key);
    await keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
    for (const [nth, heading] of HEADINGS.entries()) {
      await page.reload();
      // The link past the navigation, the name of the gateway, then the pages.
      for (let n = 0; n < 3 + nth; n++) await keyboard.press('Tab');
      const outline = await page.evaluate(() =>
        document.activeElement === null
          ? ''
          : getComputedStyle(document.activeElement).outlineStyle,
      );
      expect(outline).toBe('solid');
      await keyboard.press('Enter');
      await page.getByRole('heading', { name: heading, level: 1 }).waitFor();
    }
    await keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Skip');
    await keyboard.press('Enter');
    // The field for a head from the log, then the button.
    for (let n = 0; n < 2; n++) await keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Verify the audit');
    await page.getByRole('button', { name: 'Sign out' }).focus();
    await keyboard.press('Enter');
    await page.getByText('You are signed out.').waitFor();
    await page.goto(`${url}/admin/keys`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(incidents).toEqual([]);
    await closeAll();
  });

  it('shows why a callback was refused, and accepts it after a re-check', async () => {
    const id = await wronglyRefused();
    const { page, url, incidents, signIn } = await window();
    await signIn(key);
    await page.getByRole('link', { name: 'Refusals' }).click();
    await page.getByRole('table').getByRole('link').first().click();
    await page.getByText('very likely a genuine callback').waitFor();
    for (const guard of ['Source IP', 'Well-formed', 'Secret', 'Job ID'])
      await page.getByRole('heading', { name: guard, exact: true }).waitFor();
    await page.getByRole('button', { name: 'Re-check all with this reason' }).click();
    await page.getByText('A re-check changes nothing').waitFor();
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.status).toBe('submitted');
    await page.getByRole('button', { name: 'Accept 1 callback…' }).click();
    await page.getByRole('button', { name: 'Accept, and poll 1 job' }).click();
    await page.getByRole('heading', { name: 'Accepted' }).waitFor();
    expect((await gateway.ended(id)).status).toBe('completed');
    await page.getByRole('link', { name: id }).click();
    await page.getByText('Its result is stored', { exact: false }).first().waitFor();
    await page.goto(`${url}/admin/actions`);
    await page.getByRole('rowheader', { name: 'Accepted refusals' }).waitFor();
    expect(incidents).toEqual([]);
    await closeAll();
  });

  it('works without JavaScript', async () => {
    const { page, url, incidents, signIn } = await window({ javaScriptEnabled: false });
    await signIn(key);
    // The overview may be five seconds old.
    const refused = async (): Promise<number> => {
      await page.reload();
      return page.getByRole('table', { name: 'Refused in this time' }).count();
    };
    await expect.poll(refused, { interval: 500 }).toBe(1);
    await page.goto(`${url}/admin/refusals?guard=source_ip`);
    await page.getByRole('button', { name: 'Re-check these' }).click();
    await page.getByRole('heading', { name: 'Re-check' }).waitFor();
    await page.goto(`${url}/admin/keys`);
    await page.getByLabel('Service', { exact: true }).fill('no-script');
    await page.getByRole('button', { name: 'Create' }).click();
    expect(await page.locator('.secret').textContent()).toMatch(/^rgw_/);
    await page.goto(`${url}/admin/keys`);
    await page
      .getByRole('row', { name: 'no-script' })
      .getByRole('link', { name: 'Revoke' })
      .click();
    await page.getByRole('button', { name: 'Revoke the key' }).click();
    await page.getByText('The key is revoked').waitFor();
    expect(incidents).toEqual([]);
    await closeAll();
  });

  it('recovers a disabled endpoint without JavaScript, and shows the attempts of its event', async () => {
    let isGone = true;
    const endpoint = await createEndpoint(gateway, (socket) => {
      socket.write(answer(isGone ? '410 Gone' : '204 No Content'));
    });
    await endJob(gateway, endpoint.service);
    await eventually('the endpoint to be disabled', async () => {
      const { body } = await endpoint.call('GET', `/v1/endpoints/${endpoint.id}`);
      return body.state === 'disabled' || undefined;
    });
    isGone = false;
    const { page, url, incidents, signIn } = await window({ javaScriptEnabled: false });
    await signIn(key);
    await page.goto(`${url}/admin/endpoints?service=${endpoint.service}`);
    await page.getByRole('table').getByRole('link').first().click();
    await page.getByText('it answered 410 (Gone)').waitFor();
    await page.getByRole('button', { name: 'Recover…' }).click();
    await page.getByText('1 delivery', { exact: true }).waitFor();
    expect(endpoint.received()).toHaveLength(1);
    await page.getByRole('button', { name: 'Recover, and send 1 delivery' }).click();
    await endpoint.requests(2);
    await page.getByRole('table').getByRole('link').first().click();
    await eventually('both attempts', async () => {
      await page.reload();
      return (await page.getByRole('heading', { name: 'Attempt 2' }).count()) === 1 || undefined;
    });
    expect(await page.getByRole('listitem').filter({ hasText: '410' }).count()).toBe(1);
    expect(incidents).toEqual([]);
    await closeAll();
  });

  it('refreshes its counts while it is open', async () => {
    const { page, url, incidents, signIn } = await window();
    await signIn(key);
    await page.goto(`${url}/admin/refusals?cause=not_json`);
    expect(await page.locator('[data-count=total]').textContent()).toBe('0');
    for (let n = 0; n < 3; n++)
      await send(`${gateway.url}/webhooks/reducto`, 'POST', '{', {
        'content-type': 'application/json',
      });
    await page.locator('[data-count=total]', { hasText: '3' }).waitFor();
    await page.getByText('3 more since this list was made').waitFor();
    await page.locator('[data-causes]', { hasText: 'not JSON 3' }).waitFor();
    expect(incidents).toEqual([]);
    await closeAll();
  });

  it('counts the refusals between the list and its first refresh as new', async () => {
    const { page, url, signIn } = await window();
    await signIn(key);
    const stored = Promise.withResolvers<void>();
    await page.route('**/refusals/counts?*', async (route) => {
      await stored.promise;
      await route.continue();
    });
    await page.goto(`${url}/admin/refusals?cause=not_json`);
    const count = async (): Promise<number> => {
      const { rows } = await gateway.pool.query(
        `SELECT count(*)::int AS count FROM audit_entries WHERE kind = 'refused'`,
      );
      return rows[0].count;
    };
    const before = await count();
    const headers = { 'content-type': 'application/json' };
    for (let n = 0; n < 2; n++) await send(`${gateway.url}/webhooks/reducto`, 'POST', '{', headers);
    await expect.poll(count).toBe(before + 2);
    stored.resolve();
    await page.getByText('2 more since this list was made').waitFor();
    await closeAll();
  });

  it('draws both charts', async () => {
    const { page, incidents, signIn } = await window();
    await signIn(key);
    const drawn = await page.evaluate(() =>
      [...document.querySelectorAll('canvas')].map((canvas) => {
        const pixels = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height);
        return pixels?.data.some((value) => value !== 0) ?? false;
      }),
    );
    expect(drawn).toEqual([true, true]);
    expect(incidents).toEqual([]);
    await closeAll();
  });

  it('shows each ID on one line in a window of 1280 pixels', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const endpoint = await createEndpoint(gateway);
    await endJob(gateway, endpoint.service);
    await endpoint.requests(1);
    const [event = ''] = endpoint.received();
    const admin = { authorization: `Bearer ${key}` };
    for (const [method, path] of [
      ['POST', `/v1/admin/jobs/${id}/poll`],
      ['GET', `/v1/admin/jobs/${id}/result`],
      ['POST', `/v1/admin/events/${event}/resend`],
      ['POST', `/v1/admin/endpoints/${endpoint.id}/test`],
      ['POST', `/v1/admin/endpoints/${endpoint.id}/disable`],
    ] as const)
      await gateway.call(method, path, undefined, admin);
    await gateway.call('DELETE', `/v1/jobs/${id}`);
    const { page, url, signIn } = await window({ viewport: { width: 1280, height: 900 } });
    await signIn(key);
    for (const path of [...PAGES, `/jobs/${id}`, `/endpoints/${endpoint.id}`]) {
      await page.goto(`${url}/admin${path}`);
      expect([path, await page.evaluate(idsOnSeveralLines)]).toEqual([path, []]);
      expect([path, await overflow(page)]).toEqual([path, 0]);
    }
    await closeAll();
  });

  it.each(['light', 'dark'] as const)('fits into 360 pixels, %s', async (colorScheme) => {
    const { page, url, incidents, signIn } = await window({
      viewport: { width: 360, height: 740 },
      colorScheme,
    });
    await page.goto(`${url}/admin/sign-in`);
    expect(await overflow(page)).toBe(0);
    await signIn(key);
    const [refusal, job, revoke, endpoint, event] = await Promise.all([
      gateway.pool.query(`SELECT id FROM audit_entries WHERE kind = 'refused' LIMIT 1`),
      gateway.pool.query(`SELECT id FROM jobs LIMIT 1`),
      gateway.pool.query(`SELECT id FROM api_keys WHERE revoked_at IS NULL LIMIT 1`),
      gateway.pool.query(`SELECT id FROM endpoints LIMIT 1`),
      gateway.pool.query(`SELECT event_id AS id FROM delivery_attempts LIMIT 1`),
    ]);
    for (const path of [
      ...PAGES,
      `/refusals/${refusal.rows[0].id}`,
      `/jobs/${job.rows[0].id}`,
      `/jobs/${job.rows[0].id}/cancel`,
      `/endpoints/${endpoint.rows[0].id}`,
      `/endpoints/${endpoint.rows[0].id}/recover`,
      `/events/${event.rows[0].id}`,
      `/keys/${revoke.rows[0].id}/revoke`,
    ]) {
      await page.goto(`${url}/admin${path}`);
      expect([path, await overflow(page)]).toEqual([path, 0]);
    }
    expect(incidents).toEqual([]);
    await closeAll();
  });
});
