import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Client, Pool } from 'pg';
import { inject } from 'vitest';
import { ApiKeysService } from '../../src/access/api-keys.service.js';
import { createApp } from '../../src/app.setup.js';
import { CallbackTokenService } from '../../src/jobs/callback-token.service.js';
import { Settings } from '../../src/platform/config/settings.js';
import { freePort } from '../../src/dev/free-port.js';
import { createLogger, NestLogger } from '../../src/platform/logging/logger.js';
import { neverPrintSettings } from '../../src/platform/logging/secret-settings.js';
import { startSandbox, type Sandbox } from '../../src/sandbox/sandbox.js';
import { checkAnswer, registerContract } from './api-contract.js';
import { databaseUrl, TEMPLATE } from './global-setup.js';

export interface Answer {
  status: number;
  headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read responses without types
  body: any;
}

/** A gateway on a real port, with its own database and its own sandbox. */
export interface TestGateway {
  url: string;
  app: NestFastifyApplication;
  settings: Settings;
  sandbox: Sandbox;
  pool: Pool;
  logs: string[];
  /** An API key of service `invoices`. */
  key: string;
  tokens: CallbackTokenService;
  newKey(service: string, scopes?: readonly ('jobs' | 'admin')[]): Promise<string>;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Submits a parse (or `request`) and returns its id. */
  submit(request?: Record<string, unknown>): Promise<string>;
  /** Waits for a job to end and returns it. */
  ended(id: string): Promise<Answer['body']>;
  events(id: string): Promise<string[]>;
  close(): Promise<void>;
}

/** Shared by all gateways of a test file, as by replicas. */
export const AUDIT_KEYS = `1:${randomBytes(32).toString('base64')}`;

/** Delays of milliseconds instead of seconds. */
const SHORT_DELAYS = {
  POLL_SCHEDULE_SECONDS: '0.3,0.3,0.5,1',
  RECONCILE_INTERVAL_SECONDS: '1',
  SUBMIT_BACKOFF_SECONDS: '0.1,0.2',
  UNCERTAIN_LISTING_LAG_SECONDS: '1',
  UNCERTAIN_SCHEDULE_SECONDS: '0.5,0.5',
  ALERT_INTERVAL_SECONDS: '3600',
  LOG_LEVEL: 'debug',
  LOG_FORMAT: 'json',
  NODE_ENV: 'test',
};

export async function startGateway(
  environment: Record<string, string> = {},
  sandboxOptions: Parameters<typeof startSandbox>[0] = {},
): Promise<TestGateway> {
  const database = await newDatabase();
  const sandbox = await startSandbox({
    ...sandboxOptions,
    platform: { ...QUICK_JOBS, ...sandboxOptions.platform },
  });
  const port = await freePort();
  const settings = Settings.load({
    ...SHORT_DELAYS,
    PORT: String(port),
    DATABASE_URL: database.url,
    DATABASE_POOL_SIZE: '10',
    REDUCTO_API_KEY: sandbox.apiKey,
    REDUCTO_BASE_URL: sandbox.url,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    AUDIT_KEYS,
    ...environment,
  });
  const logs: string[] = [];
  neverPrintSettings(settings);
  const logger = new NestLogger(createLogger(settings, { write: (line) => void logs.push(line) }));
  Logger.overrideLogger(logger);
  const app = await createApp(settings, logger);
  await app.listen(port, '127.0.0.1');
  const keys = app.get(ApiKeysService, { strict: false });
  const newKey: TestGateway['newKey'] = async (service, scopes = ['jobs']) =>
    (await keys.create(service, scopes)).key;
  const key = await newKey('invoices');
  const url = `http://127.0.0.1:${port}`;
  const call: TestGateway['call'] = (method, path, body, headers) =>
    send(url + path, method, body, { authorization: `Bearer ${key}`, ...headers });
  registerContract({ url, app, settings });
  const pool = new Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => undefined);
  return {
    url,
    app,
    settings,
    sandbox,
    pool,
    logs,
    key,
    tokens: app.get(CallbackTokenService, { strict: false }),
    newKey,
    call,
    submit: async (request = {}) => {
      const answer = await call('POST', '/v1/jobs', {
        type: 'parse',
        input: 'https://example.com/a.pdf',
        ...request,
      });
      if (answer.status !== 202) throw new Error(`not accepted: ${JSON.stringify(answer.body)}`);
      return String(answer.body.id);
    },
    ended: async (id) => {
      const { body } = await call('GET', `/v1/jobs/${id}?wait=60`);
      if (body.endedAt === null)
        throw new Error(`job ${id} has not ended: ${JSON.stringify(body)}`);
      return body;
    },
    events: async (id) => {
      const { body } = await call('GET', `/v1/jobs/${id}/events`);
      return body.events.map((event: { type: string }) => event.type);
    },
    close: async () => {
      await pool.end();
      await app.close();
      await sandbox.close();
      await database.drop();
    },
  };
}

const QUICK_JOBS = { queueMs: 20, runMs: 50, completingMs: 10, webhookDelayMs: 10 };

export async function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
  redirect: 'follow' | 'manual' = 'follow',
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof FormData;
  const response = await fetch(url, {
    method,
    redirect,
    headers: {
      ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer = { status: response.status, headers: response.headers, body: parsed(text) };
  if (!response.redirected) checkAnswer(method, url, answer);
  return answer;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Polls until `condition` returns a value; fails with `what` after a minute. */
export async function eventually<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function newDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const server = inject('databaseUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await admin(server, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  return {
    url: databaseUrl(server, name),
    // Without FORCE, PostgreSQL waits for connections that are being closed: an error of theirs has no listener any more.
    drop: () =>
      admin(server, `DROP DATABASE ${name}`).catch(() =>
        admin(server, `DROP DATABASE ${name} WITH (FORCE)`),
      ),
  };
}

async function admin(server: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
