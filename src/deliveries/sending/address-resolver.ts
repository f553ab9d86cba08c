import { lookup, type LookupAddress } from 'node:dns';
import { Injectable } from '@nestjs/common';

/** Longer answers of the DNS are cut. */
const MAX_ADDRESSES = 32;

/** Resolves host names like all programs of this machine (`/etc/hosts`, search domains, DNS). */
@Injectable()
export class AddressResolver {
  private readonly running = new Map<string, Promise<readonly LookupAddress[]>>();

  /** The addresses of `hostname`, at least one. Concurrent requests for one name share a lookup, which holds a thread. */
  async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    let lookup = this.running.get(hostname);
    if (lookup === undefined) {
      lookup = lookUp(hostname).finally(() => this.running.delete(hostname));
      this.running.set(hostname, lookup);
    }
    return lookup;
  }
}

function lookUp(hostname: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true, order: 'verbatim' }, (error, addresses) => {
      if (error !== null) reject(error);
      else resolve(addresses.slice(0, MAX_ADDRESSES));
    });
  });
}
