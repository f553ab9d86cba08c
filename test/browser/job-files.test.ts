import { readFile, writeFile } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openWindow, overflow, startBrowser, type Window } from '../support/browser.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { LinkedResults, settingsFor } from '../support/linked-results.js';

const SCREENSHOT = process.env['GATEWAY_FILES_SCREENSHOT'];

describe.skipIf(noBrowser !== undefined)('the files of a job in the console', () => {
  let results: LinkedResults;
  let gateway: TestGateway;
  let browser: Browser;
  let window: Window;
  let id: string;

  beforeAll(async () => {
    results = await LinkedResults.start();
    gateway = await startGateway(settingsFor(results));
    browser = await startBrowser();
    results.completeWith({
      job_id: '@',
      usage: { num_pages: 2 },
      pdf_url: results.link('pdf', '%PDF-1.4 the document', 'application/pdf'),
      result: {
        type: 'full',
        chunks: [
          {
            blocks: [
              { image_url: results.link('page', '<script>alert(1)</script>', 'text/html') },
              { image_url: `${results.upstream.url}/gone?Signature=secret` },
            ],
          },
        ],
      },
    });
    id = await gateway.submit();
    await gateway.ended(id);
    window = await openWindow(browser, gateway, { locale: 'en-US', timezoneId: 'UTC' });
    await window.signIn(await gateway.newKey('platform', ['admin']));
    await window.page.goto(`${window.url}/admin/jobs/${id}`);
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
    await results.close();
  });

  it('are listed beside the missing ones', async () => {
    const { page } = window;
    await page.getByText('Files are missing.').waitFor();
    expect(await page.getByRole('link', { name: 'document.pdf' }).count()).toBe(1);
    expect(await page.getByText('image-0002').count()).toBe(1);
    if (SCREENSHOT !== undefined) {
      await page.setViewportSize({ width: 1280, height: 1000 });
      await writeFile(SCREENSHOT, await page.screenshot({ fullPage: true }));
    }
    await page.setViewportSize({ width: 360, height: 800 });
    expect(await overflow(page)).toBe(0);
  });

  it.each([
    ['document.pdf', '%PDF-1.4 the document'],
    ['image-0001.bin', '<script>alert(1)</script>'],
  ])('download %s and run nothing', async (name, content) => {
    const { page } = window;
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name }).click(),
    ]);
    expect(download.suggestedFilename()).toBe(name);
    expect(await readFile(await download.path(), 'utf8')).toBe(content);
    expect(window.incidents).toEqual([]);
  });
});
