import { describe, expect, it } from 'vitest';
import { originOf } from '../../src/console/session/request-origin.js';
import { askedRefusals } from '../../src/console/refusal-filter.js';
import { csrfTokenOf, newSessionToken, sameText } from '../../src/console/session/session-token.js';
import { safeNext } from '../../src/console/sign-in.controller.js';
import { slotsUntil } from '../../src/admin/overview.service.js';
import { addressBlock } from '../../src/platform/config/setting-kinds.js';

type Asked = Parameters<typeof originOf>[0];

const PROXIES = [addressBlock('10.0.0.0/8')];

const asked = (peer: string, headers: Record<string, string>, method = 'POST'): Asked =>
  ({ method, headers: { host: 'gateway', ...headers }, socket: { remoteAddress: peer } }) as Asked;

describe('the origin of a request', () => {
  it('trusts forwarded headers only from a trusted proxy', () => {
    const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' };
    expect(originOf(asked('10.1.1.1', headers), PROXIES)).toMatchObject({
      address: '203.0.113.9',
      https: true,
    });
    expect(originOf(asked('::ffff:10.1.1.1', headers), PROXIES).https).toBe(true);
    expect(originOf(asked('192.0.2.1', headers), PROXIES)).toMatchObject({
      address: '192.0.2.1',
      https: false,
    });
  });

  it.each([
    ['a form of its own', { origin: 'http://gateway' }, true],
    ['a program', {}, true],
    ['another site', { origin: 'http://evil.example' }, false],
    ['a page without an origin', { origin: 'null' }, false],
    ['a subdomain', { 'sec-fetch-site': 'same-site', origin: 'http://gateway' }, false],
    ['a cross-site request without an origin', { 'sec-fetch-site': 'cross-site' }, false],
    [
      'a forwarded host from an untrusted address',
      { origin: 'http://x', 'x-forwarded-host': 'x' },
      false,
    ],
  ])('decides whether %s is same-site', (_, headers, sameSite) => {
    expect(originOf(asked('192.0.2.1', headers), PROXIES).sameSite).toBe(sameSite);
  });

  it('uses the host that a trusted proxy forwards', () => {
    const headers = { origin: 'https://console.example', 'x-forwarded-host': 'console.example' };
    expect(originOf(asked('10.0.0.1', headers), PROXIES).sameSite).toBe(true);
  });
});

describe('the CSRF token', () => {
  it('belongs to one session and does not contain the cookie', () => {
    const [one, other] = [newSessionToken(), newSessionToken()];
    expect(csrfTokenOf(one)).toBe(csrfTokenOf(one));
    expect(sameText(csrfTokenOf(one), csrfTokenOf(other))).toBe(false);
    expect(csrfTokenOf(one)).not.toContain(one);
    expect(sameText('', 'x')).toBe(false);
  });
});

it.each([
  ['/admin/refusals?cause=token_invalid', '/admin/refusals?cause=token_invalid'],
  ['/admin', '/admin'],
  ['//evil.example', '/admin'],
  ['https://evil.example/admin', '/admin'],
  ['/admin.evil.example', '/admin'],
  ['/admin/\\evil', '/admin'],
  ['/administrator', '/admin'],
  [undefined, '/admin'],
])('redirects after the sign-in with next %s to %s', (next, expected) => {
  expect(safeNext(next)).toBe(expected);
});

describe('the filter of refusals', () => {
  it('reads a form with times in UTC and drops empty fields', () => {
    const { filter, values, problems } = askedRefusals({
      cause: 'token_invalid',
      guard: '',
      address: ' 192.0.2.1 ',
      from: '2026-11-23T10:00',
      to: '2026-11-23T11:00:00.000+01:00',
      csrf: 'x',
    });
    expect(problems).toEqual([]);
    expect(values).toEqual({
      cause: 'token_invalid',
      address: '192.0.2.1',
      from: '2026-11-23T10:00:00.000Z',
      to: '2026-11-23T10:00:00.000Z',
    });
    expect(filter.from).toEqual(new Date('2026-11-23T10:00:00Z'));
  });

  it('names the invalid fields', () => {
    const given = { cause: 'x', guard: 'y', from: 'yesterday', job: 'j'.repeat(200), address: [] };
    expect(askedRefusals(given)).toMatchObject({ values: {}, filter: {} });
    expect(askedRefusals(given).problems).toHaveLength(4);
  });
});

it('ends the slots of a chart with the current one', () => {
  const slots = slotsUntil(new Date('2026-11-23T10:07:30Z'), 3, 900);
  expect(slots.map((at) => at.toISOString())).toEqual([
    '2026-11-23T09:30:00.000Z',
    '2026-11-23T09:45:00.000Z',
    '2026-11-23T10:00:00.000Z',
  ]);
});
