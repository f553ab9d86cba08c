import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { addressKind } from '../../platform/ip-address.js';
import type { AddressResolver } from './address-resolver.js';

const DEFAULT_PORT = '5432';
const LOOPBACK = '127.0.0.1';

/** Where the database of the gateway listens. */
export class DatabaseAddress {
  private readonly hosts: readonly string[];
  private readonly ports: ReadonlySet<number>;

  constructor(
    databaseUrl: string | undefined,
    private readonly resolver: AddressResolver,
  ) {
    const url = databaseUrl === undefined ? undefined : new URL(databaseUrl);
    const given = (value: string | null | undefined, name: string): string[] =>
      [value, url?.searchParams.get(name)].filter(
        (text): text is string => typeof text === 'string' && text !== '',
      );
    this.hosts = url === undefined ? [] : hostsOf(given(url.hostname, 'host'));
    const ports = given(url?.port, 'port');
    this.ports = new Set((ports.length === 0 ? [DEFAULT_PORT] : ports).map(Number));
  }

  /** Whether `address` and `port` are those of the database. True as well if its name cannot be resolved. */
  async matches(address: string, port: number): Promise<boolean> {
    if (this.hosts.length === 0 || !this.ports.has(port)) return false;
    try {
      const resolved = await Promise.all(this.hosts.map((host) => this.addressesOf(host)));
      const own = resolved.flat();
      if (own.includes(address)) return true;
      // A server on this machine may listen on all its addresses.
      return own.some(isOfThisMachine) && isOfThisMachine(address);
    } catch {
      return true;
    }
  }

  private async addressesOf(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    return (await this.resolver.resolve(host)).map(({ address }) => address);
  }
}

/** A socket in the file system belongs to this machine. */
function hostsOf(given: readonly string[]): string[] {
  const hosts = given.map((host) => decodeURIComponent(host).replace(/^\[|\]$/g, ''));
  return hosts.length === 0
    ? [LOOPBACK]
    : hosts.map((host) => (host.startsWith('/') ? LOOPBACK : host));
}

function isOfThisMachine(address: string): boolean {
  if (addressKind(address) === 'loopback') return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((own) => own.address === address),
  );
}
