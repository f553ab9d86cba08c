import pLimit from 'p-limit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consoleUser, type ConsoleUser } from '../support/console.js';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';
import { routesOf, type Route } from '../support/routes.js';

/* A time without a zone would be read in this zone, were it accepted. */
process.env['TZ'] = 'Asia/Kathmandu';

let gateway: TestGateway;
let key: string;
let user: ConsoleUser;

beforeAll(async () => {
  gateway = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600' });
  key = await gateway.newKey('platform', ['admin', 'jobs']);
  user = await consoleUser(gateway);
});
afterAll(() => gateway.close());

const ask = (path: string, method = 'GET', body?: unknown): Promise<Answer> =>
  send(`${gateway.url}/v1/admin/${path}`, method, body, { authorization: `Bearer ${key}` });

const REFUSED_MOMENTS = [
  '2026-W10-1',
  '2026-329',
  '20261125T101010Z',
  '2026-11-25T10:10:10',
  '2026-02-30',
];

describe.each(REFUSED_MOMENTS)('the moment %s', (moment) => {
  it.each(['refusals', 'refusals/summary', 'refusals/export'])(
    'gets 422 in GET %s',
    async (path) => {
      const answer = await ask(`${path}?from=${moment}`);
      expect(answer.status).toBe(422);
      expect(answer.body).toMatchObject({ code: 'invalid_query', errors: [{ path: 'from' }] });
    },
  );

  it.each(['refusals/recheck', 'refusals/accept'])('gets 422 in POST %s', async (path) => {
    expect(await ask(`${path}?to=${moment}`, 'POST')).toMatchObject({
      status: 422,
      body: { code: 'invalid_query' },
    });
    expect(await ask(path, 'POST', { to: moment })).toMatchObject({
      status: 422,
      body: { code: 'validation_failed' },
    });
  });
});

describe.each(['2026-W10-1', '20261125T101010Z', '2026-02-30'])(
  'the moment %s on the console',
  (moment) => {
    it.each(['', '/counts', '/export', '/recheck', '/accept'])(
      'gets 422 in /admin/refusals%s',
      async (path) => {
        expect((await user.get(`/admin/refusals${path}?from=${moment}`)).status).toBe(422);
      },
    );

    it('gets 422 in the form that accepts refusals', async () => {
      expect((await user.post('/admin/refusals/accept', { from: moment })).status).toBe(422);
    });
  },
);

it('reads a date in a filter as midnight UTC in any time zone of the process', async () => {
  expect(new Date(2026, 0).getTimezoneOffset()).toBe(-345);
  await gateway.pool.query(`SET timezone = 'Asia/Kathmandu'`);
  await send(`${gateway.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: 'x' });
  const [refusal] = (await ask('refusals')).body.refusals;
  const day = String(refusal.at).slice(0, 10);
  const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
  expect((await ask(`refusals?from=${day}&to=${next}`)).body.refusals).toHaveLength(1);
  expect((await ask(`refusals?from=${refusal.at}`)).body.refusals).toHaveLength(1);
  expect((await ask(`refusals?to=${refusal.at}`)).body.refusals).toHaveLength(0);
});

it.each([
  ['null', { from: null }],
  ['a number', { from: 1_790_000_000_000 }],
  ['a list', { job: ['x'] }],
  ['an object', { cause: {} }],
  ['a lone surrogate', { job: '\ud800' }],
])('refuses %s as the value of a filter in a body', async (_, body) => {
  expect((await ask('refusals/accept', 'POST', body)).status).toBe(422);
});

/** What PostgreSQL, URLs, headers, or pages may stumble over. */
const HOSTILE = ['%00', 'a%00b', '%0D%0Ax:%20y', '%7F', '%ED%A0%80', '%C2%85', '%E2%80%AE'];

/** Every parameter that some route reads. */
const NAMES =
  'cause guard outcome address job from to cursor limit format id service status type wait idempotencyKey extension done next since __proto__ constructor'.split(
    ' ',
  );

/** Requests with one hostile value each: in every parameter of the path, then in every one of the query. */
function hostileUrls({ path }: Route): string[] {
  const fill = (value: string): string => path.replaceAll(/[:*]\w*/g, value);
  const inPath = /[:*]/.test(path) ? HOSTILE.map(fill) : [];
  const inQuery = NAMES.flatMap((name) =>
    HOSTILE.slice(0, 3).map((value) => `${fill('1')}?${name}=${value}`),
  );
  return [...inPath, ...inQuery];
}

it(
  'answers no hostile parameter of any route with a server error',
  { timeout: 240_000 },
  async () => {
    const failed: string[] = [];
    const routes = routesOf(gateway);
    // More at once would wait for connections to the database until they get 503.
    const atOnce = pLimit(4);
    expect(routes.length).toBeGreaterThan(40);
    for (const route of routes) {
      if (route.path.endsWith('/sign-out')) continue;
      const headers = { authorization: `Bearer ${key}`, cookie: user.cookie };
      const method = route.method === 'ALL' ? 'POST' : route.method;
      await Promise.all(
        hostileUrls(route).map((url) =>
          atOnce(async () => {
            const { status } = await send(gateway.url + url, method, undefined, headers, 'manual');
            if (status >= 500) failed.push(`${method} ${url}: ${status}`);
          }),
        ),
      );
    }
    expect(failed).toEqual([]);
  },
);
