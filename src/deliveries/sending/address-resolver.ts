import { lookup, type LookupAddress } from 'node:dns';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';

/** Longer answers of the DNS are cut. */
const MAX_ADDRESSES = 32;

/**
 * A lookup holds one of the four threads of the process until the name server answers; connections to PostgreSQL and Reducto
 * need one too.
 */
const CONCURRENT_LOOKUPS = 2;

/** A failure that took this long is remembered, so that a dead name server does not hold the threads again and again. */
const SLOW_MILLISECONDS = 1000;
const REMEMBERED_MILLISECONDS = 30_000;

/** Resolves host names like all programs of this machine (`/etc/hosts`, search domains, DNS). */
@Injectable()
export class AddressResolver {
  private readonly running = new Map<string, Promise<readonly LookupAddress[]>>();
  private readonly slots = pLimit(CONCURRENT_LOOKUPS);
  private readonly failures = new LRUCache<string, Error>({
    max: 1000,
    ttl: REMEMBERED_MILLISECONDS,
  });

  /** The addresses of `hostname`, at least one. Concurrent requests for one name share a lookup, which holds a thread. */
  async resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const failure = this.failures.get(hostname);
    if (failure !== undefined) throw failure;
    let lookup = this.running.get(hostname);
    if (lookup === undefined) {
      lookup = this.slots(() => this.lookUpOnce(hostname)).finally(() =>
        this.running.delete(hostname),
      );
      this.running.set(hostname, lookup);
    }
    return lookup;
  }

  private async lookUpOnce(hostname: string): Promise<readonly LookupAddress[]> {
    const begin = performance.now();
    try {
      return await lookUp(hostname);
    } catch (error) {
      if (error instanceof Error && performance.now() - begin > SLOW_MILLISECONDS) {
        this.failures.set(hostname, error);
      }
      throw error;
    }
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
