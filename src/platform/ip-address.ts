import ipaddr from 'ipaddr.js';
import { isIP, isIPv4 } from 'node:net';

export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Reads an IPv4 address (four decimal numbers) or an IPv6 address without zone; `undefined` for any other text.
 * An IPv4-mapped address stays IPv6.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return ipaddr.IPv4.parse(text);
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  // ipaddr.js reads `::203.0.113.9` as IPv4-mapped. The URL parser writes the address in hex, which has one reading.
  return ipaddr.IPv6.parse(new URL(`http://[${text}]`).hostname.slice(1, -1));
}

/** `::ffff:203.0.113.9` as `203.0.113.9`; every other address as it is. */
export function unmapAddress(address: IpAddress): IpAddress {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()
    ? address.toIPv4Address()
    : address;
}

/** The only allocated unicast addresses of IPv6 (IANA). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** Azure’s metadata service, which holds secrets of virtual machines, has this public address. */
const AZURE_PLATFORM = ipaddr.IPv4.parse('168.63.129.16');

/**
 * Whether the internet routes to this address as a single machine. An IPv6 address that embeds an IPv4 address
 * (mapped, NAT64, 6to4, Teredo, ISATAP) is not public: a translator may lead it into the private network.
 */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  if (address?.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv4) return !address.match(AZURE_PLATFORM, 32);
  return address.match(GLOBAL_UNICAST) && !isIsatap(address);
}

/** RFC 5214: the interface identifier is `[02]00:5efe` and an IPv4 address. */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [, , , , flags = 0, marker = 0] = address.parts;
  return (flags & 0xfdff) === 0 && marker === 0x5efe;
}
