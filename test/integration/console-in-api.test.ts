import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';
import { routesOf } from '../support/routes.js';

/* The footer of the console says that all of it is in the API. */

let gateway: TestGateway;
let adminKey: string;
beforeAll(async () => {
  gateway = await startGateway({
    RECONCILE_INTERVAL_SECONDS: '3600',
    POLL_SCHEDULE_SECONDS: '600',
  });
  adminKey = await gateway.newKey('platform', ['admin']);
});
afterAll(() => gateway.close());

const ask = (path: string, method = 'GET'): Promise<Answer> =>
  send(`${gateway.url}/v1/admin/${path}`, method, undefined, {
    authorization: `Bearer ${adminKey}`,
  });

/** The routes of the API that answer with what a page shows, or do what it does. */
const IN_API: Readonly<Record<string, readonly string[]>> = {
  'GET /admin': ['GET /v1/admin/overview', 'GET /v1/admin/alerts'],
  'POST /admin/alerts/:id/acknowledge': ['POST /v1/admin/alerts/{id}/acknowledge'],
  'GET /admin/refusals': ['GET /v1/admin/refusals', 'GET /v1/admin/refusals/summary'],
  'GET /admin/refusals/counts': ['GET /v1/admin/refusals/summary'],
  'GET /admin/refusals/export': ['GET /v1/admin/refusals/export'],
  'GET /admin/refusals/:id': ['GET /v1/admin/refusals/{id}'],
  'GET /admin/refusals/recheck': ['POST /v1/admin/refusals/recheck'],
  'GET /admin/refusals/accept': ['POST /v1/admin/refusals/recheck'],
  'POST /admin/refusals/accept': ['POST /v1/admin/refusals/accept'],
  'GET /admin/jobs': ['GET /v1/admin/jobs', 'GET /v1/admin/jobs/count', 'GET /v1/admin/services'],
  'GET /admin/jobs/:id': [
    'GET /v1/admin/jobs/{id}',
    'GET /v1/admin/jobs/{id}/events',
    'GET /v1/admin/jobs/{id}/callbacks',
    'GET /v1/admin/refusals',
    'GET /v1/admin/events',
  ],
  'GET /admin/jobs/:id/files/:name': ['GET /v1/admin/jobs/{id}/files/{name}'],
  'GET /admin/jobs/:id/result': ['GET /v1/admin/jobs/{id}/result'],
  'POST /admin/jobs/:id/poll': ['POST /v1/admin/jobs/{id}/poll'],
  'GET /admin/jobs/:id/cancel': ['GET /v1/admin/jobs/{id}'],
  'POST /admin/jobs/:id/cancel': ['POST /v1/admin/jobs/{id}/cancel'],
  'GET /admin/events': ['GET /v1/admin/events'],
  'GET /admin/events/:id': ['GET /v1/admin/events/{id}', 'GET /v1/admin/events/{id}/attempts'],
  'POST /admin/events/:id/resend': ['POST /v1/admin/events/{id}/resend'],
  'GET /admin/endpoints': ['GET /v1/admin/endpoints'],
  'GET /admin/endpoints/:id': ['GET /v1/admin/endpoints/{id}', 'GET /v1/admin/events'],
  'POST /admin/endpoints/:id/enable': ['POST /v1/admin/endpoints/{id}/enable'],
  'POST /admin/endpoints/:id/disable': ['POST /v1/admin/endpoints/{id}/disable'],
  'POST /admin/endpoints/:id/test': ['POST /v1/admin/endpoints/{id}/test'],
  'GET /admin/endpoints/:id/recover': ['POST /v1/admin/endpoints/{id}/recover'],
  'POST /admin/endpoints/:id/recover': ['POST /v1/admin/endpoints/{id}/recover'],
  'GET /admin/services': ['GET /v1/admin/services'],
  'GET /admin/services/:service': ['GET /v1/admin/services/{service}'],
  'POST /admin/services/:service': ['PUT /v1/admin/services/{service}'],
  'GET /admin/keys': ['GET /v1/admin/keys'],
  'POST /admin/keys': ['POST /v1/admin/keys'],
  'GET /admin/keys/:id/revoke': ['GET /v1/admin/keys'],
  'POST /admin/keys/:id/revoke': ['DELETE /v1/admin/keys/{id}'],
  'GET /admin/actions': ['GET /v1/admin/actions'],
  'GET /admin/actions/verify': ['GET /v1/admin/audit/verify'],
};

/** Sessions belong to the console, as do its files; the API takes keys. */
const ONLY_IN_CONSOLE = /^\w+ \/admin\/(sign-in|sign-out|assets\/.*|\*)$/;

it('has an API route for each page of the console', () => {
  const lacking = routesOf(gateway)
    .filter(({ path }) => /^\/admin(\/|$)/.test(path))
    .map(({ method, path }) => `${method} ${path}`)
    .filter((route) => !ONLY_IN_CONSOLE.test(route) && IN_API[route] === undefined);
  expect(lacking).toEqual([]);
});

it('describes each of these API routes', async () => {
  const { paths } = (await send(`${gateway.url}/docs/json`, 'GET')).body;
  const missing = Object.values(IN_API)
    .flat()
    .filter((route) => {
      const [method = '', path = ''] = route.split(' ');
      return paths[path]?.[method.toLowerCase()] === undefined;
    });
  expect(missing).toEqual([]);
});

it('lists each admin route in docs/api.md', async () => {
  const { paths } = (await send(`${gateway.url}/docs/json`, 'GET')).body;
  const described = Object.entries<object>(paths)
    .filter(([path]) => path.startsWith('/v1/admin/'))
    .flatMap(([path, verbs]) => Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path}`));
  const listed = (await readFile('docs/api.md', 'utf8')).matchAll(/^\| `(\w+ \/v1\/admin\/.*?)`/gm);
  expect([...listed].map(([, route]) => route).toSorted()).toEqual(described.toSorted());
});

describe('the admin API', () => {
  it('counts the jobs and callbacks that Overview shows', async () => {
    await gateway.ended(await gateway.submit());
    await send(`${gateway.url}/webhooks/reducto`, 'POST', { status: 'Completed', job_id: 'x' });
    const { status, body } = await ask('overview?range=1h');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ended: { total: 1, complete: true, byStatus: { completed: 1 }, reasons: [] },
      callbacks: { slotSeconds: 60, refused: [{ cause: 'token_missing', total: 1 }] },
    });
    expect(body.callbacks.slots).toHaveLength(60);
    expect(body.callbacks.accepted).toHaveLength(60);
  });

  it('refuses a range that Overview does not offer', async () => {
    const { status, body } = await ask('overview?range=2h');
    expect([status, body.code]).toEqual([422, 'invalid_query']);
  });

  it('lists the services', async () => {
    await gateway.submit();
    const services = [{ service: 'invoices' }, { service: 'platform' }];
    expect((await ask('services')).body).toMatchObject({ services });
  });

  it('counts the jobs that match a filter', async () => {
    const claims = await gateway.newKey('claims');
    const request = { type: 'parse', input: 'https://example.com/a.pdf' };
    await gateway.call('POST', '/v1/jobs', request, { authorization: `Bearer ${claims}` });
    expect((await ask('jobs/count?service=claims')).body).toEqual({ count: 1, complete: true });
    expect((await ask('jobs/count?service=nobody')).body).toEqual({ count: 0, complete: true });
  });

  it('lists the accepted callbacks of a job', async () => {
    const id = await gateway.submit();
    expect(await gateway.ended(id)).toMatchObject({ settledBy: 'webhook' });
    const { body } = await ask(`jobs/${id}/callbacks`);
    expect(body.callbacks).toMatchObject([
      { status: 'Completed', provedBy: 'token', clientAddress: '127.0.0.1', deliveries: 1 },
    ]);
  });

  it('returns the size and the page count of a result', async () => {
    const id = await gateway.submit();
    await gateway.ended(id);
    const { headers } = await gateway.call('GET', `/v1/jobs/${id}/result`, undefined, {
      'accept-encoding': 'identity',
    });
    expect((await ask(`jobs/${id}`)).body.result).toEqual({
      bytes: Number(headers.get('content-length')),
      pages: expect.any(Number),
      files: 0,
      fileBytes: 0,
    });
  });

  it('returns null for the result of a job without one', async () => {
    const id = await gateway.submit({ sim: { outcome: 'failed' } });
    await ask(`jobs/${id}/cancel`, 'POST');
    expect((await ask(`jobs/${id}`)).body.result).toBeNull();
  });

  it.each(['x', '%00', '01a2082b-ff8e-76c7-b113-fc1d5c8ed87a'])(
    'returns 404 for the callbacks of the unknown job %s',
    async (id) => {
      const { status, body } = await ask(`jobs/${id}/callbacks`);
      expect([status, body.code]).toEqual([404, 'job_not_found']);
    },
  );

  it('lists only open alerts, each with its refusals', async () => {
    await gateway.pool.query(
      `INSERT INTO alerts (kind, message, advice, evidence, last_seen_at, opened_at, closed_at)
       VALUES ('clock', 'm', 'a', '{"causes":{}}', now(), now() - interval '2 h', now()),
              ('form', 'm', 'a', '{"causes":{"too_large":3}}', now(), '2026-11-25T12:00:00Z', NULL)`,
    );
    const { alerts } = (await ask('alerts?state=open')).body;
    expect(alerts).toMatchObject([
      {
        kind: 'form',
        severity: 'critical',
        refusals: { cause: 'too_large', from: '2026-11-25T11:00:00.000Z' },
      },
    ]);
    expect((await ask('alerts?state=closed')).body.alerts).toMatchObject([{ kind: 'clock' }]);
  });
});

it.each([
  'overview',
  'services',
  'jobs/count',
  'jobs/01a2082b-ff8e-76c7-b113-fc1d5c8ed87a/callbacks',
])('refuses GET /v1/admin/%s for a key without the scope admin', async (path) => {
  expect((await gateway.call('GET', `/v1/admin/${path}`)).status).toBe(403);
});
