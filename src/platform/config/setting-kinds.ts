import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parseAddress, unmapAddress, type IpAddress } from '../ip-address.js';

/** Turns the text of one environment variable into a value; throws an `Error` whose message completes "NAME …". */
export type Parse<T> = (text: string) => T;

/** Network and prefix length, as `ipaddr.js` compares them. */
export type AddressBlock = readonly [IpAddress, number];

/** A signing key. The token carries its version, so that several keys can be valid at once. */
export interface TokenKey {
  readonly version: number;
  readonly key: Buffer;
}

export const text: Parse<string> = (value) => value;

export const integer =
  (min: number, max: number): Parse<number> =>
  (value) => {
    const number = Number(value);
    if (!/^-?\d+$/.test(value) || number < min || number > max) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return number;
  };

/** A share from 0 to 1. */
export const ratio: Parse<number> = (value) => {
  if (!/^(0(\.\d+)?|1(\.0+)?)$/.test(value)) throw new Error('must be a number from 0 to 1');
  return Number(value);
};

/** Printable ASCII: every server and proxy accepts it in a header. */
export const headerValue: Parse<string> = (value) => {
  if (!/^[\x20-\x7e]*$/.test(value)) {
    throw new Error('must be printable ASCII, because it is sent in a header');
  }
  return value;
};

/** `name=value,…` as OpenTelemetry writes headers; values may be percent-encoded. */
export const headerList: Parse<Readonly<Record<string, string>>> = (value) => {
  const pairs = listOf(text)(value).map((pair) => {
    const [, name, content] = /^([\w!#$%&'*+.^`|~-]+)=(.*)$/.exec(pair) ?? [];
    if (name === undefined || content === undefined) throw new Error('must be name=value, …');
    try {
      return [name, headerValue(decodeURIComponent(content.trim()))] as const;
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
      throw new Error('has a value with invalid percent-encoding', { cause: error });
    }
  });
  return Object.fromEntries(pairs);
};

export const oneOf =
  <const T extends string>(...allowed: readonly T[]): Parse<T> =>
  (value) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`must be one of ${allowed.join(', ')}`);
    return found;
  };

export const listOf =
  <T>(item: Parse<T>): Parse<readonly T[]> =>
  (value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map(item);

/** Delays in seconds, in the order in which they apply. Tests use fractions. */
export const delays: Parse<readonly number[]> = (value) => {
  const list = value.split(',').map((part) => Number(part.trim() || 'x'));
  if (list.some((seconds) => !Number.isFinite(seconds) || seconds <= 0 || seconds > 604_800)) {
    throw new Error('must be seconds, separated by commas, each greater than 0 and at most 604800');
  }
  return list;
};

export const httpUrl: Parse<URL> = (value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Error('must be an http or https URL');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new Error('must have no user, password, query, or fragment');
  }
  return url;
};

export const postgresUrl: Parse<string> = (value) => {
  if (!URL.canParse(value) || !/^postgres(ql)?:$/.test(new URL(value).protocol)) {
    throw new Error('must be a URL like postgres://user:password@host:5432/database');
  }
  return value;
};

/** An address or CIDR block, IPv4 or IPv6. An IPv4-mapped IPv6 block is read as its IPv4 block. */
export const addressBlock: Parse<AddressBlock> = (value) => {
  const [address = '', prefix, ...rest] = value.split('/');
  const parsed = parseAddress(address);
  if (
    parsed === undefined ||
    rest.length > 0 ||
    (prefix !== undefined && !/^\d{1,3}$/.test(prefix))
  ) {
    throw new Error(`has "${value}", which is not an address or a CIDR block`);
  }
  const bits = parsed.kind() === 'ipv4' ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  if (length > bits) throw new Error(`has "${value}", whose prefix is longer than ${bits}`);
  const unmapped = unmapAddress(parsed);
  return unmapped !== parsed && length >= 96 ? [unmapped, length - 96] : [parsed, length];
};

/** `2:<base64>`: the version and at least 32 bytes of key. */
export const tokenKey: Parse<TokenKey> = (value) => {
  const match = /^(\d{1,9}):([A-Za-z0-9+/_-]+={0,2})$/.exec(value);
  const key = Buffer.from(match?.[2] ?? '', 'base64');
  if (!match || key.length < 32) {
    throw new Error('must be a list of <version>:<base64 of at least 32 bytes>');
  }
  return { version: Number(match[1]), key };
};

export const tokenKeys: Parse<readonly TokenKey[]> = (value) => {
  const keys = listOf(tokenKey)(value);
  if (keys.length === 0) throw new Error('must hold at least one key');
  if (new Set(keys.map((key) => key.version)).size < keys.length) {
    throw new Error('must not use a version twice');
  }
  return keys;
};

export const svixSecret: Parse<string> = (value) => {
  const key = Buffer.from(value.replace(/^whsec_/, ''), 'base64');
  if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(value) || key.length < 16) {
    throw new Error('must be a list of secrets like whsec_<base64>');
  }
  return value;
};

export const longSecret: Parse<string> = (value) => {
  if (!/^[\x21-\x7e]{32,200}$/.test(value)) {
    throw new Error('must be 32 to 200 printable characters without spaces');
  }
  return value;
};

/**
 * `files.example.com`, `*.example.com` (all subdomains), `10.0.0.5:9000`, `[fd00::5]:9000`. Returns host and port;
 * the default port is 443.
 */
export const hostAndPort: Parse<string> = (value) => {
  const [, wildcard = '', host = '', port = '443'] =
    /^(\*\.)?([a-z0-9.-]*[a-z0-9]|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?$/i.exec(value) ?? [];
  const url = `https://${host}`;
  if (!URL.canParse(url) || Number(port) > 65_535) {
    throw new Error(`has "${value}", which is not a host or host:port`);
  }
  return `${wildcard}${new URL(url).hostname}:${port}`;
};

/** `hooks.example.com`, or `*.example.com` (all subdomains). */
export const hostName: Parse<string> = (value) => {
  const [, wildcard = '', name = ''] =
    /^(\*\.)?([^*/\\?#@:%\s[\]]*[^*/\\?#@:%\s[\].])$/.exec(value) ?? [];
  const url = `https://${name}`;
  const hostname = URL.canParse(url) ? new URL(url).hostname : '';
  if (hostname === '' || isIP(hostname) !== 0) {
    throw new Error(`has "${value}", which is not a host name like hooks.example.com`);
  }
  return wildcard + hostname;
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The path of a PEM file with at least one certificate. */
export const certificateFile: Parse<string> = (path) => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new Error('names a file that cannot be read');
  }
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new Error('names a file without a certificate in PEM form');
  if (!certificates.every(isReadable)) {
    throw new Error('names a file with a certificate that cannot be read');
  }
  return path;
};

function isReadable(certificate: string): boolean {
  try {
    return new X509Certificate(certificate).raw.length > 0;
  } catch {
    return false;
  }
}
