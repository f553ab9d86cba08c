import { describe, expect, test } from 'vitest';
import { hostAndPort, httpUrl } from '../../src/platform/config/setting-kinds.js';
import { ResultDownloadError } from '../../src/reducto/result-download-error.js';
import { ResultUrlPolicy } from '../../src/reducto/downloads/result-url-policy.js';

const policy = (hosts: string[] = [], base = 'https://platform.reducto.ai') =>
  new ResultUrlPolicy({
    REDUCTO_BASE_URL: httpUrl(base),
    RESULT_URL_HOSTS: hosts.map(hostAndPort),
  });

function isAllowed(url: string, hosts?: string[], base?: string): boolean {
  try {
    policy(hosts, base).check(url);
    return true;
  } catch (error) {
    if (!(error instanceof ResultDownloadError)) throw error;
    return false;
  }
}

describe('any public host', () => {
  test.each([
    'https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abc',
    'https://bucket.s3.amazonaws.com:443/key',
    'HTTPS://EXAMPLE.com/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https:example.com',
  ])('allows %s', (url) => {
    expect(isAllowed(url)).toBe(true);
  });

  test.each([
    ['plain http', 'http://example.com/'],
    ['plain http on 443', 'http://example.com:443/'],
    ['another port', 'https://example.com:8443/'],
    ['the port of ssh', 'https://example.com:22/'],
    ['port 80', 'https://example.com:80/'],
    ['port 0', 'https://example.com:0/'],
    ['a port that is none', 'https://example.com:65536/'],
    ['an empty host', 'https:///'],
    ['no host', 'https://:443/'],
    ['a user', 'https://user@example.com/'],
    ['a password', 'https://:secret@example.com/'],
    ['a host in place of a user', 'https://example.com@127.0.0.1/'],
    ['a trailing dot', 'https://example.com./'],
    ['two trailing dots', 'https://example.com../'],
    ['loopback', 'https://127.0.0.1/'],
    ['loopback with a dot', 'https://127.0.0.1./'],
    ['loopback, short', 'https://127.1/'],
    ['loopback, octal', 'https://0177.0.0.1/'],
    ['loopback, hex', 'https://0x7f.0x0.0x0.0x1/'],
    ['loopback, one hex number', 'https://0x7f000001/'],
    ['loopback, one decimal number', 'https://2130706433/'],
    ['loopback, fullwidth digits', 'https://１２７.０.０.１/'],
    ['loopback, ideographic dots', 'https://127。0。0。1/'],
    ['loopback, percent-encoded', 'https://%31%32%37.0.0.1/'],
    ['loopback, IPv6', 'https://[::1]/'],
    ['loopback, mapped', 'https://[::ffff:127.0.0.1]/'],
    ['loopback, compatible', 'https://[::127.0.0.1]/'],
    ['NAT64', 'https://[64:ff9b::10.0.0.1]/'],
    ['6to4', 'https://[2002:a00:1::]/'],
    ['an IPv6 zone', 'https://[fe80::1%25eth0]/'],
    ['cloud metadata', 'https://169.254.169.254/latest/meta-data'],
    ['the number zero', 'https://0/'],
    ['a file', 'file:///etc/passwd'],
    ['ftp', 'ftp://example.com/'],
    ['data', 'data:application/json,{}'],
    ['a blob', 'blob:https://example.com/x'],
    ['no URL', 'example.com'],
    ['an empty text', ''],
    ['a NUL in the host', 'https://exa\u0000mple.com/'],
    ['a space in the host', 'https://exa mple.com/'],
  ])('refuses %s', (_case, url) => {
    expect(isAllowed(url)).toBe(false);
  });
});

describe('RESULT_URL_HOSTS', () => {
  test.each([
    ['https://files.example.com/a', ['files.example.com']],
    ['https://10.0.0.5/a', ['10.0.0.5']],
    ['https://files.example.com:8443/a', ['files.example.com:8443']],
    ['http://minio.internal:9000/a', ['minio.internal:9000']],
    ['http://[fd00::5]:9000/a', ['[FD00:0::5]:9000']],
    ['https://a.b.example.com/a', ['*.example.com']],
    ['https://a.example.com:9000/a', ['*.example.com:9000']],
    ['http://files.example.com/a', ['files.example.com:80']],
    ['https://files.example.com/a', ['FILES.example.com:443']],
  ])('allows %s where it names %j', (url, hosts) => {
    expect(isAllowed(url, hosts)).toBe(true);
  });

  test.each([
    ['https://other.example.com/a', ['files.example.com']],
    ['https://files.example.com:8443/a', ['files.example.com']],
    ['http://files.example.com/a', ['files.example.com']],
    ['http://files.example.com:443/a', ['files.example.com']],
    ['https://files.example.com/a', ['files.example.com:8443']],
    ['https://example.com/a', ['*.example.com']],
    ['https://evilexample.com/a', ['*.example.com']],
    ['https://files.example.com.evil.org/a', ['files.example.com']],
    ['https://files.example.com./a', ['files.example.com']],
    ['https://user@files.example.com/a', ['files.example.com']],
    ['ftp://files.example.com:21/a', ['files.example.com:21']],
    ['https://a.example.com:9001/a', ['*.example.com:9000']],
  ])('refuses %s where it names only %j', (url, hosts) => {
    expect(isAllowed(url, hosts)).toBe(false);
  });

  test.each([
    '',
    '*',
    '*.',
    'a:0',
    'a:65536',
    'a:b',
    'http://a',
    'a/b',
    '::1',
    '[::1',
    'a.',
    'a b',
    'u@a',
  ])('cannot hold %j', (entry) => {
    expect(() => hostAndPort(entry)).toThrow('is not a host');
  });
});

describe("Reducto's own host", () => {
  test.each([
    ['https://platform.reducto.ai/f', 'https://platform.reducto.ai'],
    ['http://127.0.0.1:9999/f', 'http://127.0.0.1:9999'],
    ['https://10.0.0.5:8443/f', 'https://10.0.0.5:8443/base'],
    ['https://10.0.0.5/f', 'https://10.0.0.5:8443'],
    ['http://reducto.internal/f', 'http://reducto.internal'],
    ['http://[fd00::5]:80/f', 'http://[fd00::5]'],
  ])('allows %s where the base URL is %s', (url, base) => {
    expect(isAllowed(url, [], base)).toBe(true);
    expect(isAllowed(url, ['files.example.com'], base)).toBe(true);
  });

  test.each([
    ['http://platform.reducto.ai/f', 'https://platform.reducto.ai'],
    ['http://platform.reducto.ai:443/f', 'https://platform.reducto.ai'],
    ['https://platform.reducto.ai:8443/f', 'https://platform.reducto.ai'],
    ['http://10.0.0.5:8443/f', 'https://10.0.0.5:8443'],
    ['http://127.0.0.1:9998/f', 'http://127.0.0.1:9999'],
    ['https://127.0.0.1:9999/f', 'http://127.0.0.1:9999'],
    ['http://reducto.internal:6379/f', 'http://reducto.internal'],
    ['https://sub.platform.reducto.ai:8443/f', 'https://platform.reducto.ai:8443'],
  ])('refuses %s where the base URL is %s', (url, base) => {
    expect(isAllowed(url, [], base)).toBe(false);
  });
});

describe('a redirect', () => {
  const from = new URL('https://files.example.com/a');

  test('applies the same rules to a redirect', () => {
    expect(policy().check('/b', from).href).toBe('https://files.example.com/b');
    expect(policy().check('//other.example.com/b', from).href).toBe('https://other.example.com/b');
  });

  test.each(['http://files.example.com/b', '//127.0.0.1/b', '//files.example.com:8443/b'])(
    'to %s is refused',
    (location) => {
      expect(() => policy().check(location, from)).toThrow(ResultDownloadError);
    },
  );
});

test.each([
  ['https:', '127.0.0.1', '443'],
  ['https:', '::1', ''],
  ['https:', '::ffff:127.0.0.1', '443'],
  ['https:', 'localhost', '443'],
  ['http:', 'example.com', '80'],
  ['https:', 'example.com', '8443'],
])(
  'the connector refuses %s//%s:%s, whatever was checked before',
  async (protocol, hostname, port) => {
    const connect = policy().connector({ timeout: 5000 });
    const error = await new Promise((resolve) => {
      connect({ protocol, hostname, port, host: hostname }, (...[failure]) => resolve(failure));
    });
    expect(error).toBeInstanceOf(ResultDownloadError);
  },
);

test('leaves the query of a URL out of messages', () => {
  expect(() => policy().check('https://127.0.0.1:99/a?signature=planted')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('planted') }),
  );
});
