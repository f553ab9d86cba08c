import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openWindow, startBrowser, type Window } from '../support/browser.js';
import { finishedUpstream, tokenKeysOf } from '../support/console.js';
import { addHistory } from '../support/console-history.js';
import { createEndpoint, endJob } from '../support/endpoints.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';
import { answer } from '../support/receiver.js';

/*
 * The pictures of docs/console.md. Every run takes them, and checks their size; only `npm run docs:images`, which sets
 * GATEWAY_DOCS_IMAGES, writes them.
 */

const WRITTEN_TO = process.env['GATEWAY_DOCS_IMAGES'];
const COMMITTED = 'docs/images';
const MAX_BYTES = 150 * 1024;
const WIDTH = 1280;
/** From which Reducto sends since a short time. */
const NEW_ADDRESS = '192.0.2.80';
const SETTINGS = {
  RECONCILE_INTERVAL_SECONDS: '3600',
  POLL_SCHEDULE_SECONDS: '600',
  ALERT_INTERVAL_SECONDS: '1',
  TRUSTED_PROXIES: '127.0.0.1',
};

describe.skipIf(noBrowser !== undefined)('the pictures of the console', () => {
  let gateway: TestGateway;
  let browser: Browser;
  let window: Window;
  let completedJob: string;
  const taken: string[] = [];

  beforeAll(async () => {
    gateway = await startGateway({ ...SETTINGS, WEBHOOK_IP_ALLOWLIST: '127.0.0.1,203.0.113.0/24' });
    browser = await startBrowser();
    await addHistory(gateway);
    completedJob = await gateway.submit({ metadata: { invoice: 815 } });
    await gateway.ended(completedJob);
    window = await signedIn(gateway);
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });

  async function signedIn(to: TestGateway): Promise<Window> {
    const opened = await openWindow(browser, to, {
      colorScheme: 'light',
      locale: 'en-US',
      timezoneId: 'UTC',
    });
    await opened.signIn(await to.newKey('platform', ['admin']));
    return opened;
  }

  /** Reducto sends it from an address that the allowlist lacks. */
  async function refuseGenuineCallback(): Promise<void> {
    const job = await gateway.submit({ sim: { webhook: { send: 'never' } } });
    const callback = {
      status: 'Completed',
      job_id: await finishedUpstream(gateway, job),
      metadata: { gateway_job_id: job, token: gateway.tokens.signJobId(job) },
    };
    const headers = { 'x-forwarded-for': NEW_ADDRESS };
    const { status } = await send(`${gateway.url}/webhooks/reducto`, 'POST', callback, headers);
    expect(status).toBe(403);
  }

  async function takePicture(
    { page, url }: Window,
    name: string,
    height: number,
    path: string,
    ready: string,
  ): Promise<number> {
    await page.setViewportSize({ width: WIDTH, height });
    await page.goto(`${url}/admin${path}`);
    await page.getByText(ready).first().waitFor();
    const png = await page.screenshot({ animations: 'disabled' });
    taken.push(`${name}.png`);
    if (WRITTEN_TO !== undefined) {
      await mkdir(WRITTEN_TO, { recursive: true });
      await writeFile(join(WRITTEN_TO, `${name}.png`), png);
    }
    return png.byteLength;
  }

  it('show the overview', async () => {
    const bytes = await takePicture(window, 'console-overview', 1024, '', 'Refused in this time');
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('show the list of refused callbacks, and the alert about them', async () => {
    for (let n = 0; n < 3; n++) await refuseGenuineCallback();
    const alerts = async () => (await gateway.pool.query('SELECT FROM alerts')).rowCount;
    await expect.poll(alerts).toBeGreaterThan(0);
    const bytes = await takePicture(
      window,
      'console-refusals',
      680,
      '/refusals',
      'Refused callbacks',
    );
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('show one refused callback', async () => {
    const { rows } = await gateway.pool.query(
      `SELECT id FROM audit_entries WHERE kind = 'refused' ORDER BY id DESC LIMIT 1`,
    );
    const bytes = await takePicture(
      window,
      'console-refusal',
      840,
      `/refusals/${rows[0].id}`,
      'Source IP',
    );
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('show the list of jobs', async () => {
    const bytes = await takePicture(window, 'console-jobs', 640, '/jobs', 'Jobs');
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('show one job', async () => {
    const bytes = await takePicture(
      window,
      'console-job',
      860,
      `/jobs/${completedJob}`,
      completedJob,
    );
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('show the list of endpoints, and an event with its attempts', async () => {
    let requests = 0;
    const flaky = await createEndpoint(
      gateway,
      (socket) => {
        requests += 1;
        if (requests === 1) socket.write(answer('503 Service Unavailable', 'Down for maintenance'));
        else if (requests === 2) socket.resetAndDestroy();
        else socket.write(answer('200 OK', '{"received":true}'));
      },
      { description: 'Billing', retrySchedule: [0.1, 0.1] },
      'billing',
    );
    await createEndpoint(gateway, undefined, { description: 'Archive' }, 'archive');
    await endJob(gateway, 'archive', { status: 'completed' });
    const job = await endJob(gateway, 'billing', { status: 'completed' });
    const event = await eventually('the delivery', async () => {
      const { body } = await flaky.call('GET', `/v1/events?jobId=${job}&status=delivered`);
      return body.events[0]?.id as string | undefined;
    });
    const gone = await createEndpoint(
      gateway,
      (socket) => void socket.write(answer('410 Gone')),
      { description: 'Old portal' },
      'portal',
    );
    await endJob(gateway, 'portal', { status: 'completed' });
    await eventually('the endpoint to be disabled', async () => {
      const { body } = await gone.call('GET', `/v1/endpoints/${gone.id}`);
      return body.state === 'disabled' || undefined;
    });
    expect(
      await takePicture(window, 'console-endpoints', 560, '/endpoints', 'Endpoints'),
    ).toBeLessThanOrEqual(MAX_BYTES);
    expect(
      await takePicture(window, 'console-event', 640, `/events/${event}`, 'Attempt 3'),
    ).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('show a re-check after the allowlist was corrected', async () => {
    const corrected = await startGateway({
      ...SETTINGS,
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
      TOKEN_KEYS: tokenKeysOf(gateway),
      WEBHOOK_IP_ALLOWLIST: `203.0.113.0/24,${NEW_ADDRESS}`,
      ROLES: 'api',
    });
    const there = await signedIn(corrected);
    await there.page.goto(`${there.url}/admin/refusals?guard=source_ip`);
    await there.page.getByRole('button', { name: 'Re-check these' }).click();
    await there.page.getByRole('heading', { name: 'Re-check' }).waitFor();
    const { pathname, search } = new URL(there.page.url());
    const path = pathname.replace('/admin', '') + search;
    const bytes = await takePicture(there, 'console-recheck', 680, path, 'Would pass');
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
    await corrected.close();
  });

  it('are the files of docs/images', async () => {
    expect((await readdir(COMMITTED)).toSorted()).toEqual(taken.toSorted());
  });
});
