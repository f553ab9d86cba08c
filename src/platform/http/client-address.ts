import { LRUCache } from 'lru-cache';
import type { AddressBlock } from '../config/setting-kinds.js';
import { parseAddress, unmapAddress, type IpAddress } from '../ip-address.js';

interface Address {
  /** In its shortest form. */
  readonly text: string;
  /** `undefined` if the text is not an address. */
  readonly parsed: IpAddress | undefined;
}

/** Few addresses send most requests, and parsing costs more than checking. */
const addresses = new LRUCache<string, Address>({ max: 1000 });
/** The longest address, with brackets, zone, and port. */
const MAX_ADDRESS_LENGTH = 100;
/** Longer than any real chain of trusted proxies. */
const MAX_PROXIES = 32;

/**
 * The client address of a request: the peer, or, behind a trusted proxy, the address that the proxy reports.
 * `X-Forwarded-For` is walked from the right, because each proxy appends its peer; everything left of the first untrusted
 * address is an unverified assertion of the sender.
 *
 * @returns the address in its shortest form (IPv4-mapped as IPv4), or the unchanged text, which matches no allowlist, if a
 * trusted proxy reports no valid address or the chain of trusted proxies is too long
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  trustedProxies: readonly AddressBlock[],
): string {
  let address = normalAddress(peer);
  if (forwardedFor === undefined || trustedProxies.length === 0) return address;
  const hops = hopsFromRight(forwardedFor);
  for (let proxies = 0; isWithin(address, trustedProxies); proxies++) {
    if (proxies === MAX_PROXIES) return `more than ${MAX_PROXIES} trusted proxies`;
    const { value: hop } = hops.next();
    if (hop === undefined) return address;
    address = normalAddress(hop);
  }
  return address;
}

/** The entries of `X-Forwarded-For`, the last one first, without empty ones (RFC 9110, 5.6.1). */
function* hopsFromRight(header: string): Generator<string, undefined> {
  for (let end = header.length; end > 0;) {
    const comma = header.lastIndexOf(',', end - 1);
    const hop = withoutBlanks(header, comma + 1, end);
    if (hop !== '') yield hop;
    end = comma;
  }
}

/** Only spaces and tabs may surround an entry; `trim` would also drop a non-breaking space. */
function withoutBlanks(text: string, start: number, end: number): string {
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (start < end && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Whether `address` lies in one of `blocks`; false for a text that is not an address. */
export function isWithin(address: string, blocks: readonly AddressBlock[]): boolean {
  if (blocks.length === 0) return false;
  const { parsed } = parse(address);
  if (parsed === undefined) return false;
  return blocks.some(
    ([network, prefix]) => parsed.kind() === network.kind() && parsed.match(network, prefix),
  );
}

function normalAddress(text: string): string {
  return parse(text).text;
}

/** Without port, brackets and zone; IPv4-mapped IPv6 as IPv4. */
function parse(given: string): Address {
  const text = given.slice(0, MAX_ADDRESS_LENGTH);
  const known = addresses.get(text);
  if (known !== undefined) return known;
  const bare =
    /^\[([\da-f.]*:[\da-f:.]*)(?:%[\w.~-]+)?\](?::\d{1,5})?$/i.exec(text)?.[1] ??
    /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ??
    /^([\da-f.]*:[\da-f:.]*)%[\w.~-]+$/i.exec(text)?.[1] ??
    text;
  const address = parseAddress(bare);
  const normal = address === undefined ? undefined : unmapAddress(address);
  const result = { text: normal?.toString() ?? text, parsed: normal };
  addresses.set(text, result);
  return result;
}
