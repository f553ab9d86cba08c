import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';
import { isIP } from 'node:net';
import type { AddressBlock } from '../platform/config/setting-kinds.js';

interface Address {
  /** In its shortest form. */
  readonly text: string;
  /** `undefined` for a text that is no address. */
  readonly parsed: ipaddr.IPv4 | ipaddr.IPv6 | undefined;
}

/** Mostly the same few addresses come; to parse one costs more than to check it. */
const addresses = new LRUCache<string, Address>({ max: 1000 });
/** No address is longer, with brackets, zone and port. */
const LONGEST_ADDRESS = 100;

/**
 * The address that a request comes from, as far as it can be believed: the peer itself, or, where the
 * peer is a trusted proxy, the address that the proxy names. `X-Forwarded-For` is walked from the right,
 * because each proxy appends who spoke to it; everything left of the first untrusted address is the
 * sender's own claim.
 *
 * @returns the address in its shortest form (IPv4-mapped ones as IPv4), or the text as it stands
 * where a trusted proxy named something that is no address: that matches no allowlist.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  trustedProxies: readonly AddressBlock[],
): string {
  let address = normalAddress(peer);
  if (forwardedFor === undefined || trustedProxies.length === 0) return address;
  const hops = forwardedFor
    .split(',')
    .map((hop) => hop.trim())
    .filter((hop) => hop !== '');
  while (isWithin(address, trustedProxies)) {
    const next = hops.pop();
    if (next === undefined) return address;
    address = normalAddress(next);
  }
  return address;
}

/** Whether `address` lies in one of `blocks`. Never for a text that is no address. */
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
  const text = given.slice(0, LONGEST_ADDRESS);
  const known = addresses.get(text);
  if (known !== undefined) return known;
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ??
    /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ??
    text;
  const bareAddress = bare.replace(/%.*$/, '');
  const address = isIP(bareAddress) === 0 ? undefined : ipaddr.process(bareAddress);
  const result = { text: address?.toString() ?? bareAddress, parsed: address };
  addresses.set(text, result);
  return result;
}
