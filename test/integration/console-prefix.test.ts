import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cookieOf } from '../support/console.js';
import { send, startGateway, type Answer, type TestGateway } from '../support/gateway.js';
import { startPrefixProxy } from '../support/prefix-proxy.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

let gateway: TestGateway;
let key: string;

beforeAll(async () => {
  gateway = await startGateway({ PUBLIC_URL: 'http://127.0.0.1:9/gw/' });
  key = await gateway.newKey('platform', ['admin']);
});
afterAll(() => gateway.close());

describe.each([
  ['strips the prefix', true],
  ['passes the prefix on', false],
])('behind a proxy that %s', (_, strips) => {
  let proxy: Awaited<ReturnType<typeof startPrefixProxy>>;
  let origin: string;

  beforeAll(async () => {
    proxy = await startPrefixProxy('/gw', gateway.url, strips);
    ({ origin } = new URL(proxy.url));
  });
  afterAll(() => proxy.close());

  const get = (path: string, cookie = ''): Promise<Answer> =>
    send(origin + path, 'GET', undefined, { cookie }, 'manual');
  const post = (path: string, fields: Record<string, string>, cookie = ''): Promise<Answer> => {
    const body = new URLSearchParams(fields).toString();
    return send(origin + path, 'POST', body, { ...FORM, cookie }, 'manual');
  };
  const signIn = (): Promise<Answer> =>
    post('/gw/admin/sign-in', { key, next: '/admin/keys?done=revoke' });

  it('redirects a browser from a page to the sign-in with the prefix', async () => {
    const { status, headers } = await get('/gw/admin/jobs');
    expect([status, headers.get('location')]).toEqual([
      303,
      '/gw/admin/sign-in?next=%2Fadmin%2Fjobs',
    ]);
  });

  it('submits the sign-in form below the prefix and redirects to the page', async () => {
    expect((await get('/gw/admin/sign-in')).body).toContain('action="/gw/admin/sign-in"');
    const { status, headers } = await signIn();
    expect([status, headers.get('location')]).toEqual([303, '/gw/admin/keys?done=revoke']);
  });

  it('limits the cookie to the console below the prefix', async () => {
    expect((await signIn()).headers.get('set-cookie')).toContain('; Path=/gw/admin; HttpOnly');
  });

  it('removes the cookie below the prefix at sign-out', async () => {
    const cookie = cookieOf(await signIn());
    const { body } = await get('/gw/admin/keys', cookie);
    const csrf = /name="csrf" value="([^"]+)"/.exec(String(body))?.[1] ?? '';
    const { headers } = await post('/gw/admin/sign-out', { csrf }, cookie);
    expect(headers.get('set-cookie')).toMatch(/^gateway_admin=;.*Path=\/gw\/admin;/);
    expect(headers.get('location')).toBe('/gw/admin/sign-in?done=signed-out');
  });

  it.each(['/gw/admin', '/gw/admin/jobs', '/gw/admin/refusals', '/gw/admin/keys'])(
    'answers every address in the page %s',
    async (path) => {
      const cookie = cookieOf(await signIn());
      const { body } = await get(path, cookie);
      const found = [...String(body).matchAll(/ (href|src|action|data-live)="(\/[^"]*)"/g)];
      expect(found.length).toBeGreaterThan(8);
      for (const [, kind, address = ''] of found) {
        expect(address).toMatch(/^\/gw\//);
        if (kind === 'action') continue;
        const { status } = await get(address.replaceAll('&amp;', '&'), cookie);
        expect([address, status]).toEqual([address, 200]);
      }
    },
  );

  it('returns the location of a submitted job with the prefix', async () => {
    const authorization = `Bearer ${gateway.key}`;
    const request = { type: 'parse', input: 'https://example.com/a.pdf' };
    const { headers } = await send(`${proxy.url}/v1/jobs`, 'POST', request, { authorization });
    const location = headers.get('location') ?? '';
    expect(location).toMatch(/^\/gw\/v1\/jobs\//);
    expect((await send(origin + location, 'GET', undefined, { authorization })).status).toBe(200);
  });
});

it('serves its prefixed links without a proxy', async () => {
  const { url } = gateway;
  const body = new URLSearchParams({ key }).toString();
  const answer = await send(`${url}/admin/sign-in`, 'POST', body, FORM, 'manual');
  const target = url + (answer.headers.get('location') ?? '');
  expect((await send(target, 'GET', undefined, { cookie: cookieOf(answer) })).status).toBe(200);
});

it('does not strip the prefix from a path whose first segment only starts with it', async () => {
  expect((await send(`${gateway.url}/gwadmin`, 'GET')).status).toBe(404);
});
