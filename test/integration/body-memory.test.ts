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

/** Twelve at once, and the status of each that was answered before its connection was closed. */
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

it('twelve large requests with a wrong key, twice, leave the process alive', async () => {
  await startWithRoles('api');
  for (const _ of [1, 2]) {
    const answers = await twelve('/v1/jobs', LARGE, { authorization: 'Bearer wrong' });
    // From the eleventh wrong key on, an address is told to wait.
    expect(answers.filter((status) => status !== 401 && status !== 429)).toEqual([]);
  }
  expect(await isAlive()).toBe(true);
});

it('twelve large requests to an unknown route, twice, leave a webhook receiver alive', async () => {
  await startWithRoles('webhooks');
  for (const _ of [1, 2]) {
    expect(new Set(await twelve('/nothing', LARGE, {}))).toEqual(new Set([404]));
  }
  expect(await isAlive()).toBe(true);
});

it.each([
  ['of many empty objects', LARGE],
  ['of one long text', Buffer.from(`{"type":"parse","input":"x","y":"${'é'.repeat(2_500_000)}"}`)],
  [
    'of many names',
    Buffer.from(
      `{"type":"parse","input":"x","y":{${Array.from({ length: 9000 }, (_, n) => `"${String(n).padStart(500, 'n')}":{}`).join(',')}}}`,
    ),
  ],
])('twelve large requests %s with a valid key, twice, leave the process alive', async (_, body) => {
  await startWithRoles('api');
  key = await newKey();
  for (const _round of [1, 2]) {
    const answers = await twelve('/v1/jobs', body, { authorization: `Bearer ${key}` });
    for (const status of answers) expect([202, 413, 422, 503]).toContain(status);
  }
  expect(await isAlive()).toBe(true);
});

it('a hundred bodies whose last byte stays away cost less than 50 MB', async () => {
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
