import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type { TestGateway } from './gateway.js';

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** The reason to skip browser tests; `undefined` if Chromium is installed. */
export const noBrowser = existsSync(CHROMIUM)
  ? undefined
  : `are skipped: there is no Chromium at ${CHROMIUM} (apt-get install chromium, or set CHROMIUM_PATH)`;

/** A host name, because browsers trust localhost even without TLS. */
const HOST = 'gateway.test';

export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', `--host-resolver-rules=MAP ${HOST} 127.0.0.1`],
  });
}

/** A browser window on the console, with the incidents that tests expect not to occur. */
export interface Window {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly url: string;
  /** Dialogs, errors, CSP violations, and requests to other origins. */
  readonly incidents: string[];
  readonly signIn: (key: string) => Promise<void>;
}

export async function openWindow(
  browser: Browser,
  gateway: TestGateway,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Window> {
  const url = gateway.url.replace('127.0.0.1', HOST);
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const incidents: string[] = [];
  page.on('dialog', (dialog) => {
    incidents.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (message) => {
    // An invalid filter returns 422 with an error page; Chromium logs the status.
    if (/status of 422/.test(message.text())) return;
    if (['error', 'warning'].includes(message.type())) {
      incidents.push(`${page.url()}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => incidents.push(`${page.url()}: ${error.message}`));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${url}/admin`)) {
      incidents.push(`request to ${request.url()}`);
    }
  });
  return {
    page,
    context,
    url,
    incidents,
    signIn: async (key) => {
      await page.goto(`${url}/admin/sign-in`);
      await page.getByLabel('API key').fill(key);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
    },
  };
}

/** The number of pixels by which the page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
}

if (noBrowser !== undefined) process.stderr.write(`Tests of the console ${noBrowser}\n`);
