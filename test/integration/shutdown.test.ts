import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { Client } from 'pg';
import { Agent, fetch } from 'undici';
import { afterEach, expect, it } from 'vitest';
import { startSandbox } from '../../src/sandbox/sandbox.js';
import { newDatabase } from '../support/gateway.js';
import { startRawUpstream } from '../support/raw-upstream.js';
import { ADMIN_KEY, cleanUp, cleanUps, end, start } from '../support/processes.js';

/* The built gateway as a process that is told to stop while requests run. `npm test` builds it first. */

afterEach(cleanUp);

it('finishes running requests on shutdown, answers waiting ones, and does not wait for idle connections', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const sandbox = await startSandbox({ platform: { queueMs: 20, runMs: 60_000 } });
  cleanUps.push(() => sandbox.close());
  const { child, url } = await start({
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: sandbox.apiKey,
    REDUCTO_BASE_URL: sandbox.url,
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
  });
  const connections = new Agent({ keepAliveTimeout: 60_000 });
  cleanUps.push(() => connections.destroy());
  const ask = async (path: string, key: string, body?: object) => {
    const answer = await fetch(`${url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      dispatcher: connections,
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  };
  const { body: made } = await ask('/v1/admin/keys', ADMIN_KEY, { service: 'p', scopes: ['jobs'] });
  const key = made['key'] ?? '';
  const { body: job } = await ask('/v1/jobs', key, { type: 'parse', input: 'https://e.com/a.pdf' });
  const waiting = ask(`/v1/jobs/${job['id']}?wait=60`, key);
  const upload = slowUpload(`${url}/v1/uploads`, key, connections);
  await upload.begun;
  // Answered after the one that waits has come in, and its connection stays open.
  await ask(`/v1/jobs/${job['id']}`, key);

  const code = end(child, 'SIGTERM');
  expect((await waiting).status).toBe(200);
  // From here on everything is closed that is to be closed.
  await expect.poll(() => isListening(url)).toBe(false);
  upload.finish();
  expect(await upload.status).toBe(201);
  expect(await code).toBe(0);
});

it('waits on shutdown for the download of a result, and completes its job', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const begun = Promise.withResolvers<void>();
  const served = Promise.withResolvers<void>();
  const upstream = await startRawUpstream({
    other: async () => {
      begun.resolve();
      await served.promise;
      return { body: '{"type":"full","chunks":[]}' };
    },
  });
  cleanUps.push(() => upstream.close());
  const { url: at } = upstream;
  upstream.answers.poll = {
    body: `{"status":"Completed","result":{"result":{"type":"url","url":"${at}/1","result_id":"r"}}}`,
  };
  const { child, url } = await start({
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: 'key',
    REDUCTO_BASE_URL: at,
    WEBHOOK_MODE: 'none',
    POLL_SCHEDULE_SECONDS: '0.2,0.5',
    RECONCILE_INTERVAL_SECONDS: '1',
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
  });
  const post = async (path: string, key: string, body: object): Promise<Record<string, string>> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return (await answer.json()) as Record<string, string>;
  };
  const { key = '' } = await post('/v1/admin/keys', ADMIN_KEY, { service: 'p', scopes: ['jobs'] });
  await post('/v1/jobs', key, { type: 'parse', input: 'https://e.com/a.pdf' });
  await begun.promise;

  const code = end(child, 'SIGTERM');
  // A process that waits for nothing closes its socket at once instead.
  await expect
    .poll(async () => (await fetch(`${url}/health/ready`)).json())
    .toMatchObject({ status: 'down', checks: { process: 'down' } });
  served.resolve();
  expect(await code).toBe(0);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  cleanUps.push(() => client.end());
  const { rows } = await client.query('SELECT status FROM jobs');
  expect(rows).toEqual([{ status: 'completed' }]);
});

/** An upload whose end comes when it is told. */
function slowUpload(url: string, key: string, dispatcher: Agent) {
  const begun = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from(
      '--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.4 ',
    );
    begun.resolve();
    await finished.promise;
    yield Buffer.from('the end\r\n--x--\r\n');
  }
  const status = fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'multipart/form-data; boundary=x' },
    body: body(),
    duplex: 'half',
    dispatcher,
  }).then((answer) => answer.status);
  return { begun: begun.promise, finish: finished.resolve, status };
}

function isListening(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
