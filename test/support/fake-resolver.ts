import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { AddressResolver } from '../../src/deliveries/sending/address-resolver.js';

/** A DNS with the given answers. A test may change them at any time. */
export class FakeResolver extends AddressResolver {
  readonly answers = new Map<string, readonly string[]>();
  /** Every resolved name, oldest first. */
  readonly resolved: string[] = [];

  override async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    this.resolved.push(hostname);
    const addresses = this.answers.get(hostname);
    if (addresses === undefined) {
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' });
    }
    return addresses.map((address) => ({ address, family: isIP(address.split('%')[0] ?? '') }));
  }
}
