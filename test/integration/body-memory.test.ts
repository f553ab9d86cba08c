import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newDatabase, send } from '../support/gateway.js';
import { head, openConnection } from '../support/raw-connection.js';
import { ADMIN_KEY, cleanUp, cleanUps, start, type Started } from '../support/processes.js';

const HEAP_MEGABYTES = 256;
const LARGE = Buffer.from(`{"a":[${'{},'.repeat(1_740_000)}{}]}`);

let gateway: Started;
let key: string;

async function startWithRoles(roles: string): Promise<void> {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  gateway = await start({
    NODE_ENV: 'test',
    NODE_OPTIONS: `--max-old-space-size=${HEAP_MEGABYTES}`,
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: 'unused',
    REDUCTO_BASE_URL: 'http://127.0.0.1:9',
    PUBLIC_URL: 'http://127.0.0.1:9',
    TOKEN_KEYS: `1:${Buffer.alloc(32, 7).toString('base64')}`,
    ROLES: roles,
  });
}

async function newKey(): Promise<string> {
  const { body } = await send(
    `${gateway.url}/v1/admin/keys`,
    'POST',
    { service: 'p', scopes: ['jobs'] },
    { authorization: `Bearer ${ADMIN_KEY}` },
  );
  return body.key;
}

/** Sends twelve requests at once; `undefined` where the connection ended without an answer. */
async function twelve(
  path: string,
  body: Buffer,
  headers: Record<string, string>,
): Promise<(number | undefined)[]> {
  const { hostname, port } = new URL(gateway.url);
  const post = (): Promise<number | undefined> =>
    new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (part) => (text += part.toString('latin1')));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1];
        resolve(status === undefined ? undefined : Number(status));
      });
      socket.write(
        head(`POST ${path}`, {
          'content-type': 'application/json',
          'content-length': body.length,
          connection: 'close',
          ...headers,
        }),
      );
      socket.write(body);
    });
  return Promise.all(Array.from({ length: 12 }, post));
}

async function isAlive(): Promise<boolean> {
  return (await send(`${gateway.url}/health/live`, 'GET')).status === 200;
}

afterEach(cleanUp);

beforeEach(() => {
  key = '';
});

it('survives twelve concurrent large requests with a wrong key, twice', async () => {
  await startWithRoles('api');
  for (const _ of [1, 2]) {
    const answers = await twelve('/v1/jobs', LARGE, { authorization: 'Bearer wrong' });
    // After ten wrong keys the address gets 429.
    expect(answers.filter((status) => status !== 401 && status !== 429)).toEqual([]);
  }
  expect(await isAlive()).toBe(true);
});

it('survives twelve concurrent large requests to an unknown route as a webhook receiver, twice', async () => {
  await startWithRoles('webhooks');
  for (const _ of [1, 2]) {
    expect(new Set(await twelve('/nothing', LARGE, {}))).toEqual(new Set([404]));
  }
  expect(await isAlive()).toBe(true);
});

const parseOf = (options: string): Buffer =>
  Buffer.from(`{"type":"parse","input":"https://example.com/a.pdf","options":${options}}`);
const manyNames = Array.from({ length: 9000 }, (_, n) => `"${String(n).padStart(500, 'n')}":{}`);

it.each([
  ['one long text', parseOf(`"${'é'.repeat(2_500_000)}"`)],
  ['many names', parseOf(`{${manyNames.join(',')}}`)],
])('survives twelve concurrent jobs with %s, twice, and accepts some', async (_, body) => {
  await startWithRoles('api');
  key = await newKey();
  for (const _round of [1, 2]) {
    const answers = await twelve('/v1/jobs', body, { authorization: `Bearer ${key}` });
    // The budget of bodies refuses the rest.
    expect(answers.filter((status) => status !== 202 && status !== 503)).toEqual([]);
    expect(answers).toContain(202);
  }
  expect(await isAlive()).toBe(true);
});

it('survives twelve concurrent requests of millions of objects with a valid key, twice', async () => {
  await startWithRoles('api');
  key = await newKey();
  for (const _round of [1, 2]) {
    const answers = await twelve('/v1/jobs', LARGE, { authorization: `Bearer ${key}` });
    expect(answers.filter((status) => status !== 422 && status !== 503)).toEqual([]);
    expect(answers).toContain(422);
  }
  expect(await isAlive()).toBe(true);
});

it('holds less than 50 MB for a hundred bodies whose last byte does not come', async () => {
  await startWithRoles('api,webhooks');
  key = await newKey();
  const { pid } = gateway.child;
  const residentMegabytes = async (): Promise<number> => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  };
  const before = await residentMegabytes();
  const body = Buffer.alloc(60_000, 'x');
  const headers = { 'content-type': 'application/json', 'content-length': body.length + 1 };
  const connections = await Promise.all(
    Array.from({ length: 100 }, () =>
      openConnection(gateway.url, head('POST /webhooks/reducto', headers)),
    ),
  );
  cleanUps.push(async () => {
    for (const { socket } of connections) socket.destroy();
    return Promise.resolve();
  });
  await Promise.all(
    connections.map(({ socket }) => new Promise((resolve) => socket.write(body, resolve))),
  );
  expect(await isAlive()).toBe(true);
  expect((await residentMegabytes()) - before).toBeLessThan(50);
});
