import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { Client } from 'pg';
import { addressKind } from '../../platform/ip-address.js';
import type { AddressResolver } from './address-resolver.js';

const LOOPBACK = '127.0.0.1';

/** Where the database of the gateway listens. */
export class DatabaseAddress {
  private readonly host: string | undefined;
  private readonly port: number | undefined;

  constructor(
    databaseUrl: string | undefined,
    private readonly resolver: AddressResolver,
  ) {
    if (databaseUrl === undefined) return;
    // The driver also reads the query of the URL, and PGHOST and PGPORT.
    const { host, port } = new Client({ connectionString: databaseUrl });
    // A socket in the file system belongs to this machine.
    this.host = host.startsWith('/') ? LOOPBACK : host;
    this.port = port;
  }

  /** Whether `address` and `port` are those of the database. True as well if its name cannot be resolved. */
  async matches(address: string, port: number): Promise<boolean> {
    if (this.host === undefined || this.port !== port) return false;
    try {
      const own = await this.addressesOf(this.host);
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

function isOfThisMachine(address: string): boolean {
  if (addressKind(address) === 'loopback') return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((own) => own.address === address),
  );
}
