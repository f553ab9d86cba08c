import { describe, expect, it } from 'vitest';
import { prefixAddresses, withoutPrefix } from '../../src/platform/http/path-prefix.js';

describe('the URL of a request behind a path prefix', () => {
  it.each([
    ['/gw/admin', '/admin'],
    ['/gw', '/'],
    ['/gw?range=1h', '/?range=1h'],
    ['/gw/', '/'],
    ['/admin', '/admin'],
    ['/gwadmin', '/gwadmin'],
    ['/gw/gw/admin', '/gw/admin'],
  ])('turns %s into %s', (url, read) => {
    expect(withoutPrefix('/gw')({ url })).toBe(read);
  });

  it.each([
    ['/gw/v1/jobs', '/v1/jobs'],
    ['/api/v1/jobs', '/v1/jobs'],
    ['/apis/v1/jobs', '/apis/v1/jobs'],
  ])('turns %s into %s with another prefix for the API', (url, read) => {
    expect(withoutPrefix('/gw', '/api')({ url })).toBe(read);
  });

  it('is unchanged without a prefix', () => {
    expect(withoutPrefix('')({ url: '/gw/admin' })).toBe('/gw/admin');
  });
});

describe('the links in a page behind a path prefix', () => {
  it('start with the prefix if they are paths of the gateway', () => {
    expect(prefixAddresses('<a href="/admin">x</a>', '/gw')).toBe('<a href="/gw/admin">x</a>');
  });

  it.each([
    '<a href="https://example.com/">x</a>',
    '<a href="//host/">x</a>',
    '<p>href=/admin</p>',
  ])('leave %s unchanged', (html) => {
    expect(prefixAddresses(html, '/gw')).toBe(html);
  });
});
