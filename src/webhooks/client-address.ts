import ipaddr from 'ipaddr.js';
import { isIP } from 'node:net';
import type { AddressBlock } from '../platform/config/setting-kinds.js';

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
  const hops = (forwardedFor ?? '')
    .split(',')
    .map((hop) => hop.trim())
    .filter((hop) => hop !== '');
  let address = normalAddress(peer);
  while (isWithin(address, trustedProxies)) {
    const next = hops.pop();
    if (next === undefined) return address;
    address = normalAddress(next);
  }
  return address;
}

/** Whether `address` lies in one of `blocks`. Never for a text that is no address. */
export function isWithin(address: string, blocks: readonly AddressBlock[]): boolean {
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.process(address);
  return blocks.some(
    ([network, prefix]) => parsed.kind() === network.kind() && parsed.match(network, prefix),
  );
}

/** Without port, brackets and zone; IPv4-mapped IPv6 as IPv4. */
function normalAddress(text: string): string {
  const bare =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ??
    /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ??
    text;
  const address = bare.replace(/%.*$/, '');
  return isIP(address) === 0 ? address.slice(0, 100) : ipaddr.process(address).toString();
}
