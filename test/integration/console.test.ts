import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  consoleUser,
  cookieOf,
  finishedUpstream,
  signIn,
  tokenKeysOf,
  upstreamId,
  type ConsoleUser,
} from '../support/console.js';
import { eventually, send, startGateway, type TestGateway } from '../support/gateway.js';

/* The console over HTTP, as a browser without scripts sees it. */

const QUIET = { RECONCILE_INTERVAL_SECONDS: '3600', POLL_SCHEDULE_SECONDS: '600' };

let gateway: TestGateway;
let key: string;
let user: ConsoleUser;

beforeAll(async () => {
  gateway = await startGateway({ ...QUIET, TRUSTED_PROXIES: '127.0.0.1' });
  key = await gateway.newKey('platform', ['admin']);
  user = await consoleUser(gateway, key);
});
afterAll(() => gateway.close());

const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

async function actions(): Promise<Record<string, unknown>[]> {
  const { body } = await gateway.call('GET', '/v1/admin/actions', undefined, {
    authorization: `Bearer ${key}`,
  });
  return body.actions;
}

const PAGES = [
  '/admin',
  '/admin?range=1h',
  '/admin?range=7d',
  '/admin/refusals',
  '/admin/refusals?cause=token_invalid&from=2026-01-01T00:00&outcome=refused&guard=secret',
  '/admin/jobs',
  '/admin/jobs?status=failed&type=parse&service=invoices',
  '/admin/keys',
  '/admin/actions',
];

describe('the root path', () => {
  const root = (accept: string) => send(`${gateway.url}/`, 'GET', undefined, { accept }, 'manual');

  it('redirects a browser to the console, including below the path prefix of a proxy', async () => {
    const { status, headers } = await root('text/html,application/xhtml+xml,*/*;q=0.8');
    expect(status).toBe(302);
    const location = headers.get('location') ?? '';
    expect(new URL(location, 'https://host.example/').pathname).toBe('/admin');
    expect(new URL(location, 'https://host.example/gw/').pathname).toBe('/gw/admin');
  });

  it('returns a problem to an API client', async () => {
    const { status, body } = await root('*/*');
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'not_found' });
  });
});

describe('every page', () => {
  it.each(PAGES)('%s is served from an empty database', async (path) => {
    const { status, headers, body } = await user.get(path);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    const policy = headers.get('content-security-policy');
    expect(policy).toContain(`default-src 'none'; script-src 'self'; style-src 'self'`);
    expect(policy).not.toMatch(/unsafe|upgrade-insecure/);
    expect(body).toMatch(/<h1>.+<\/h1>/);
    expect(body).not.toMatch(/style="|<style|\son\w+=|javascript:/);
  });

  it.each(PAGES)('%s redirects to the sign-in and back without a session', async (path) => {
    const { status, headers } = await send(gateway.url + path, 'GET', undefined, {}, 'manual');
    expect(status).toBe(303);
    const target = headers.get('location') ?? '';
    expect(target).toBe(`/admin/sign-in?next=${encodeURIComponent(path)}`);
    expect((await send(gateway.url + target, 'GET')).body).toContain('Sign in');
  });

  it('an unknown page returns 404 as HTML', async () => {
    for (const path of ['/admin/nope', '/admin/refusals/999999', '/admin/jobs/x']) {
      const { status, headers, body } = await user.get(path);
      expect(status).toBe(404);
      expect(headers.get('content-type')).toContain('text/html');
      expect(body).toContain('<h1>');
    }
  });

  it('loads only its own cacheable files', async () => {
    const { body } = await user.get('/admin');
    const files = [...String(body).matchAll(/(?:src|href)="(\/admin\/assets\/[^"]+)"/g)];
    expect(files.length).toBeGreaterThanOrEqual(5);
    for (const [, path = ''] of files) {
      const { status, headers } = await send(gateway.url + path, 'GET');
      expect(status).toBe(200);
      expect(headers.get('cache-control')).toContain('immutable');
    }
    expect(String(body)).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    expect((await send(`${gateway.url}/admin/assets/x/..%2fconsole.module.ts`, 'GET')).status).toBe(
      404,
    );
  });
});

describe('a sign-in', () => {
  it('sets a cookie that is HttpOnly and SameSite', async () => {
    const plain = await signIn(gateway, key);
    expect(plain.headers.get('set-cookie')).toMatch(
      /^gateway_admin=[\w-]{43}; Max-Age=43200; Path=\/admin; HttpOnly; SameSite=Strict$/,
    );
    const behindTls = await signIn(gateway, key, { 'x-forwarded-proto': 'https' });
    expect(behindTls.headers.get('set-cookie')).toContain('; Secure');
    const { rows } = await gateway.pool.query(
      `SELECT encode(token_hash, 'escape') AS hash FROM admin_sessions`,
    );
    const token = cookieOf(plain).split('=')[1] ?? '';
    expect(JSON.stringify(rows)).not.toContain(token);
  });

  it('requires a key with the scope admin', async () => {
    const unknown = await signIn(gateway, 'rgw_unknown', from('192.0.2.1'));
    expect(unknown.status).toBe(401);
    expect(unknown.body).toContain('unknown or revoked');
    const other = await signIn(gateway, gateway.key, from('192.0.2.1'));
    expect(other.status).toBe(403);
    expect(other.body).toContain('does not have the scope');
    expect([unknown, other].map(cookieOf)).toEqual(['', '']);
  });

  it('is recorded, as is the sign-out that ends the session', async () => {
    const other = await consoleUser(gateway);
    const { status, headers } = await other.post('/admin/sign-out');
    expect([status, headers.get('location')]).toEqual([303, '/admin/sign-in?done=signed-out']);
    expect(headers.get('set-cookie')).toMatch(/^gateway_admin=;/);
    expect((await other.get('/admin')).status).toBe(303);
    const done = (await actions()).filter(({ state }) => state === 'done').slice(0, 2);
    expect(done).toMatchObject([
      { action: 'session.end', actor: { service: 'platform', via: 'console' } },
      { action: 'session.begin', detail: { address: '127.0.0.1' } },
    ]);
  });

  it.each([
    ['its age', `expires_at = now()`],
    ['idleness', `last_seen_at = now() - interval '60 min'`],
  ])('expires by %s', async (_, change) => {
    const other = await consoleUser(gateway);
    expect((await other.get('/admin/keys')).status).toBe(200);
    const hash = `sha256(convert_to($1, 'UTF8'))`;
    await gateway.pool.query(`UPDATE admin_sessions SET ${change} WHERE token_hash = ${hash}`, [
      other.cookie.split('=')[1],
    ]);
    expect((await other.get('/admin/keys')).status).toBe(303);
  });

  it('is not extended by background requests for counts', async () => {
    const other = await consoleUser(gateway);
    await gateway.pool.query(`UPDATE admin_sessions SET last_seen_at = now() - interval '59 min'`);
    const seen = async (): Promise<number> => {
      const { rows } = await gateway.pool.query(
        `SELECT count(*)::int AS n FROM admin_sessions WHERE last_seen_at > now() - interval '1 min'`,
      );
      return rows[0].n;
    };
    expect((await other.get('/admin/refusals/counts')).status).toBe(200);
    expect(await seen()).toBe(0);
    await other.get('/admin/refusals');
    expect(await seen()).toBe(1);
  });

  it('ends when its key is revoked', async () => {
    const { body } = await gateway.call(
      'POST',
      '/v1/admin/keys',
      { service: 'short', scopes: ['admin'] },
      { authorization: `Bearer ${key}` },
    );
    const other = await consoleUser(gateway, body.key);
    expect((await other.get('/admin')).status).toBe(200);
    expect((await user.post(`/admin/keys/${body.id}/revoke`)).status).toBe(303);
    expect((await other.get('/admin')).status).toBe(303);
  });

  it('returns 429 after ten failures from an address, but accepts a valid key', async () => {
    const address = from('192.0.2.66');
    for (let n = 0; n < 10; n++) expect((await signIn(gateway, 'no', address)).status).toBe(401);
    const eleventh = await signIn(gateway, 'no', address);
    expect(eleventh.status).toBe(429);
    expect(Number(eleventh.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(eleventh.body).toMatch(/Try again in \d+ seconds/);
    expect((await signIn(gateway, key, address)).status).toBe(303);
  });
});

describe('a form', () => {
  const create = { service: 'forged', scopes: 'jobs' };

  it.each([
    ['without the token of the session', { csrf: '' }, {}],
    ['with another token', { csrf: 'x'.repeat(43) }, {}],
    ['from another site', {}, { origin: 'https://evil.example' }],
    ['that a browser calls cross-site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['from a sibling subdomain', {}, { 'sec-fetch-site': 'same-site' }],
  ])('%s is refused', async (_, fields, headers) => {
    const answer = await user.post('/admin/keys', { ...create, ...fields }, headers);
    expect(answer.status).toBe(403);
    const { body } = await user.get('/admin/keys');
    expect(body).not.toContain('forged');
  });

  it('with the token of another session is refused', async () => {
    const other = await consoleUser(gateway);
    const { body } = await other.get('/admin/keys');
    const csrf = /name="csrf" value="([^"]+)"/.exec(String(body))?.[1] ?? '';
    expect((await user.post('/admin/keys', { ...create, csrf })).status).toBe(403);
  });

  it('that is JSON, too large, or for another route is refused', async () => {
    const { cookie } = user;
    const json = await send(`${gateway.url}/admin/keys`, 'POST', create, { cookie });
    expect(json.status).toBe(415);
    expect((await user.post('/admin/keys', { service: 'x'.repeat(70_000) })).status).toBe(413);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const elsewhere = await gateway.call('POST', '/v1/jobs', 'type=parse', form);
    expect(elsewhere.status).toBe(415);
  });

  it('for a sign-in from another site is refused', async () => {
    const answer = await signIn(gateway, key, { 'sec-fetch-site': 'cross-site' });
    expect([answer.status, cookieOf(answer)]).toEqual([403, '']);
  });
});

describe('API keys', () => {
  it('are shown once and revoked after a confirmation', async () => {
    const { status, body } = await user.post('/admin/keys', { service: 'scanner', scopes: 'jobs' });
    expect(status).toBe(200);
    const made = /rgw_[\w-]{43}/.exec(String(body))?.[0] ?? '';
    expect((await gateway.call('GET', '/v1/jobs', undefined, bearer(made))).status).toBe(200);
    const list = String((await user.get('/admin/keys')).body);
    expect(list).toContain(made.slice(0, 8));
    expect(list).not.toContain(made);
    const { rows } = await gateway.pool.query(`SELECT id FROM api_keys WHERE service = 'scanner'`);
    const path = `/admin/keys/${rows[0].id}/revoke`;
    expect((await user.get(path)).body).toContain('Revoke this key?');
    expect((await gateway.call('GET', '/v1/jobs', undefined, bearer(made))).status).toBe(200);
    expect((await user.post(path)).headers.get('location')).toBe('/admin/keys?done=revoke');
    expect((await gateway.call('GET', '/v1/jobs', undefined, bearer(made))).status).toBe(401);
    expect((await user.get(path)).status).toBe(404);
    expect(await actions()).toMatchObject([
      { action: 'key.revoke', actor: { via: 'console' }, detail: { key: rows[0].id } },
      { action: 'key.create', detail: { service: 'scanner', scopes: ['jobs'] } },
      ...Array.from({ length: (await actions()).length - 2 }, () => ({})),
    ]);
  });

  it.each([{ service: 'no spaces', scopes: 'jobs' }, { service: 'x' }])(
    'need a name and a scope: %o',
    async (fields: Record<string, string>) => {
      expect((await user.post('/admin/keys', fields)).status).toBe(422);
    },
  );

  const bearer = (value: string): Record<string, string> => ({ authorization: `Bearer ${value}` });
});

describe('jobs', () => {
  it('are found by either id, polled, and cancelled', async () => {
    const id = await gateway.submit({ sim: { webhook: { send: 'never' } }, metadata: { n: 77 } });
    const upstream = await finishedUpstream(gateway, id);
    for (const asked of [id, upstream])
      expect((await user.get(`/admin/jobs?id=${asked}`)).body).toContain(`/admin/jobs/${id}"`);
    expect((await user.get('/admin/jobs?id=nowhere')).body).toContain('No job matches');
    const page = String((await user.get(`/admin/jobs/${id}`)).body);
    for (const part of ['submitted', 'Reducto has it', upstream, '77', 'Poll now'])
      expect(page).toContain(part);
    const { status, headers } = await user.post(`/admin/jobs/${id}/poll`);
    expect([status, headers.get('location')]).toEqual([303, `/admin/jobs/${id}?done=poll`]);
    expect((await gateway.ended(id)).status).toBe('completed');
    expect((await user.post(`/admin/jobs/${id}/poll`)).status).toBe(409);

    const stuck = { sim: { stuck: 'InProgress', webhook: { send: 'never' } } };
    const unwanted = await gateway.submit(stuck);
    await upstreamId(gateway, unwanted);
    expect((await user.get(`/admin/jobs/${unwanted}/cancel`)).body).toContain('Cancel this job?');
    expect((await user.post(`/admin/jobs/${unwanted}/cancel`)).status).toBe(303);
    await eventually('the cancel', async () => {
      const events = await gateway.events(unwanted);
      return events.includes('cancel_sent') || undefined;
    });
    const done = (await actions()).slice(0, 6).map(({ at: _at, id: _id, ...rest }) => rest);
    expect(done).toMatchObject([
      { action: 'job.cancel', state: 'done', detail: { job: unwanted, service: 'invoices' } },
      { action: 'job.cancel', state: 'started', detail: { job: unwanted } },
      { action: 'job.poll', state: 'failed', reason: 'job_already_ended', detail: { job: id } },
      { action: 'job.poll', state: 'started', detail: { job: id } },
      { action: 'job.poll', state: 'done', detail: { job: id } },
      { action: 'job.poll', state: 'started', detail: { job: id } },
    ]);
  });

  it('are listed page by page with filters', async () => {
    await gateway.pool.query(
      `INSERT INTO jobs (id, service, type, status, request_hash, ended_at)
       SELECT gen_random_uuid(), 'archive', 'split', CASE n % 2 WHEN 0 THEN 'failed' ELSE 'completed' END, '\\x00', now()
         FROM generate_series(1, 120) AS n`,
    );
    const seen: string[] = [];
    let path: string | undefined = '/admin/jobs?service=archive&status=failed';
    while (path !== undefined) {
      const { body } = await user.get(path);
      const ids = [...String(body).matchAll(/href="\/admin\/jobs\/([\w-]{36})"/g)];
      seen.push(...ids.map(([, id = '']) => id));
      path = /href="([^"]+)" rel="next"/.exec(String(body))?.[1]?.replaceAll('&amp;', '&');
    }
    expect(seen).toHaveLength(60);
    expect(new Set(seen).size).toBe(60);
    expect(seen).toEqual(seen.toSorted().toReversed());
  });
});

describe('refusals', () => {
  it('are listed, explained, re-checked, and accepted', async () => {
    const id = await gateway.submit({ sim: { webhook: { send: 'never' } } });
    const upstream = await finishedUpstream(gateway, id);
    const metadata = { gateway_job_id: id, token: gateway.tokens.signJobId(id) };
    const callback = { status: 'Completed', job_id: upstream, metadata };
    const wrong = await startGateway({
      ...QUIET,
      DATABASE_URL: gateway.settings.DATABASE_URL ?? '',
      TOKEN_KEYS: tokenKeysOf(gateway),
      WEBHOOK_IP_ALLOWLIST: '203.0.113.0/24',
      ROLES: 'webhooks',
    });
    try {
      const answer = await send(`${wrong.url}/webhooks/reducto`, 'POST', callback);
      expect(answer.status).toBe(403);
    } finally {
      await wrong.close();
    }
    const path = `/admin/refusals?job=${id}`;
    const list = String((await user.get(path)).body);
    const entry = /href="(\/admin\/refusals\/\d+)"/.exec(list)?.[1] ?? '';
    const page = String((await user.get(entry)).body);
    expect(page).toContain('very likely a genuine callback');
    expect(page).toContain('WEBHOOK_IP_ALLOWLIST');
    expect(page).not.toContain(metadata.token);

    const dry = await user.get(`/admin/refusals/recheck?job=${id}`);
    expect(dry.body).toContain('Accept 1 callback…');
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.status).toBe('submitted');
    expect(dry.body).toMatch(/Refusals: .*job .*received before/);
    const to = /name="to" value="([^"]+)"/.exec(String(dry.body))?.[1] ?? '';
    const asked = await user.get(`/admin/refusals/accept?job=${id}&to=${to}`);
    expect(asked.body).toContain('Accept, and poll 1 job');
    expect(asked.body).toContain(`href="/admin/jobs/${id}"`);
    expect((await gateway.call('GET', `/v1/jobs/${id}`)).body.status).toBe('submitted');
    const accepted = await user.post('/admin/refusals/accept', { job: id, to });
    expect(accepted.status).toBe(303);
    expect((await gateway.ended(id)).status).toBe('completed');
    expect((await actions()).slice(0, 2)).toMatchObject([
      { action: 'refusals.accept', actor: { via: 'console' }, detail: { jobs: 1, jobIds: [id] } },
      { action: 'refusals.recheck', detail: { filter: { job: id } } },
    ]);
    const done = await user.get(accepted.headers.get('location') ?? '');
    expect(done.body).toContain('All jobs have ended.');
    const again = await user.get(`/admin/refusals/recheck?job=${id}`);
    expect(again.body).toContain('There is nothing to accept');
    expect(again.body).not.toContain('Accept 1 callback');
    const counts = await user.get(`/admin/refusals/counts?job=${id}`);
    expect(counts.body).toMatchObject({ total: 1, byCause: { address_not_allowed: 1 } });
  });

  it('are exported with the current filter', async () => {
    const csv = await user.get('/admin/refusals/export?format=csv');
    expect(csv.headers.get('content-disposition')).toContain('refusals.csv');
    expect(String(csv.body).split('\r\n')[0]).toContain('cause');
    const json = await user.get('/admin/refusals/export?format=json&cause=token_invalid');
    expect(json.body).toEqual({ refusals: [] });
    expect((await actions())[0]).toMatchObject({
      action: 'refusals.export',
      detail: { format: 'json', filter: { cause: 'token_invalid' } },
    });
  });
});

it('shows an open alert in full on Overview and in one line on other pages, until it is acknowledged', async () => {
  const { rows } = await gateway.pool.query(
    `INSERT INTO alerts (kind, message, advice, evidence, last_seen_at)
     VALUES ('token_key', 'Genuine <b>callbacks</b> are refused.', 'Put the key back.',
             '{"causes":{"token_invalid":3,"token_missing":1}}', now()) RETURNING id`,
  );
  const { id } = rows[0];
  for (const path of PAGES.filter((each) => !/^\/admin(\?|$)/.test(each))) {
    const { body } = await user.get(path);
    expect(body).toMatch(/<a href="\/admin">Alert<\/a>: .*Genuine &lt;b>callbacks&lt;\/b> are/);
    expect(body).not.toContain('Put the key back.');
  }
  const overview = (await user.get('/admin')).body;
  expect(overview).toContain('Put the key back.');
  expect(overview).toContain('/admin/refusals?cause=token_invalid&amp;from=');
  expect(overview).toContain(`action="/admin/alerts/${id}/acknowledge"`);

  expect((await user.post(`/admin/alerts/${id}/acknowledge`)).status).toBe(303);
  expect((await actions())[0]).toMatchObject({
    action: 'alert.acknowledge',
    state: 'done',
    actor: { via: 'console' },
    detail: { alert: id, kind: 'token_key' },
  });
  expect((await user.get('/admin')).body).toContain('acknowledged by');
  expect((await user.get('/admin/jobs')).body).not.toContain('are refused.');
});

it.each(PAGES)('%s is served with rows', async (path) => {
  expect((await user.get(path)).status).toBe(200);
});
