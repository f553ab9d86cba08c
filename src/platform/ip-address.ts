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

/** What an address is for; each text completes "an address that is …". */
const KIND_TEXTS = {
  public: 'public',
  loopback: 'loopback',
  private: 'private',
  nat64: 'NAT64, behind which is a public IPv4 address',
  link_local: 'link-local',
  metadata: 'a metadata service of a cloud',
  multicast: 'multicast',
  unspecified: 'unspecified',
  broadcast: 'broadcast',
  embedding: 'IPv6 with an IPv4 address inside',
  reserved: 'reserved',
} as const;

/** `reserved`: documentation, benchmarks, protocols, and unallocated addresses. */
export type AddressKind = keyof typeof KIND_TEXTS;

export function describeKind(kind: AddressKind): string {
  return KIND_TEXTS[kind];
}

const KIND_OF_RANGE: Readonly<Record<string, AddressKind>> = {
  loopback: 'loopback',
  private: 'private',
  carrierGradeNat: 'private',
  uniqueLocal: 'private',
  linkLocal: 'link_local',
  multicast: 'multicast',
  unspecified: 'unspecified',
  broadcast: 'broadcast',
  ipv4Mapped: 'embedding',
  rfc6145: 'embedding',
  rfc6052: 'embedding',
  '6to4': 'embedding',
  teredo: 'embedding',
};

/** The only allocated unicast addresses of IPv6 (IANA). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
const IPV4_COMPATIBLE = ipaddr.IPv6.parseCIDR('::/96');
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/** Metadata services hold secrets of virtual machines. Most are link-local; these have other addresses. */
const METADATA = [
  // Azure: a public address.
  '168.63.129.16/32',
  // Alibaba Cloud: in the range that carriers share.
  '100.100.100.200/32',
  // Amazon, Google, and Oracle: unique local addresses.
  'fd00:ec2::/32',
  'fd20:ce::/32',
  'fd00:c1::/32',
  // Scaleway and Linode: the same.
  'fd00:42::/64',
  'fd00:a9fe:a9fe::/64',
].map((block) => ipaddr.parseCIDR(block));

/**
 * What `text` is as an address; `undefined` if it is none. An IPv6 address that embeds an IPv4 address (mapped, compatible,
 * translated, 6to4, Teredo, ISATAP) is `embedding`: a translator may lead it into the private network.
 */
export function addressKind(text: string): AddressKind | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const isMetadata = METADATA.some(
    ([network, prefix]) => network.kind() === address.kind() && address.match(network, prefix),
  );
  if (isMetadata) return 'metadata';
  const range = address.range();
  const kind = KIND_OF_RANGE[range];
  if (address instanceof ipaddr.IPv4) {
    return kind ?? (range === 'unicast' ? 'public' : 'reserved');
  }
  if (address.match(NAT64)) return leadsToPublic(address) ? 'nat64' : 'embedding';
  if (kind !== undefined) return kind;
  if (address.match(IPV4_COMPATIBLE) || isIsatap(address)) return 'embedding';
  return range === 'unicast' && address.match(GLOBAL_UNICAST) ? 'public' : 'reserved';
}

/** Whether the internet routes to this address as a single machine. */
export function isPublicAddress(text: string): boolean {
  return addressKind(text) === 'public';
}

/** RFC 6052: the last 32 bits are the IPv4 address. */
function leadsToPublic(address: ipaddr.IPv6): boolean {
  return isPublicAddress(address.toByteArray().slice(-4).join('.'));
}

/** RFC 5214: the interface identifier is `[02]00:5efe` and an IPv4 address. */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [, , , , flags = 0, marker = 0] = address.parts;
  return (flags & 0xfdff) === 0 && marker === 0x5efe;
}
