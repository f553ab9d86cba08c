import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ApiKeyStore } from './api-key.store.js';
import type { Caller } from './caller.js';

/** How long another process may still accept a key that was revoked. */
const MAX_AGE_MILLISECONDS = 5000;
/** Minimum interval between two reads of the database. */
const MIN_INTERVAL_MILLISECONDS = 100;

/**
 * Caches the keys that are not revoked. Another process may just have created an unknown key, so it waits for the next read
 * of all keys, which concurrent requests share: guessing costs at most ten reads a second, and never delays a cached key.
 */
@Injectable()
export class ActiveKeys {
  private byHash: ReadonlyMap<string, Caller> = new Map();
  /** When the read for `byHash` began, by `performance.now()`. */
  private readAt = -Infinity;
  /** Reads that began before it miss a change of this process. */
  private changedAt = -Infinity;
  private lastRead = -Infinity;
  private reading: Promise<void> | undefined;

  constructor(private readonly store: ApiKeyStore) {}

  async find(keyHash: Buffer): Promise<Caller | undefined> {
    const now = performance.now();
    const hash = keyHash.toString('base64');
    const known = now - this.readAt <= MAX_AGE_MILLISECONDS ? this.byHash.get(hash) : undefined;
    if (known !== undefined) return known;
    while (this.readAt < now) await this.readOnce();
    return this.byHash.get(hash);
  }

  /** Discards the cache. Call it after each change of a key. */
  invalidate(): void {
    this.changedAt = performance.now();
    this.readAt = -Infinity;
  }

  private readOnce(): Promise<void> {
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async read(): Promise<void> {
    const wait = this.lastRead + MIN_INTERVAL_MILLISECONDS - performance.now();
    if (wait > 0) await setTimeout(wait);
    const startedAt = performance.now();
    this.lastRead = startedAt;
    const keys = await this.store.listActive();
    if (startedAt < this.changedAt) return;
    this.byHash = new Map(
      keys.map(({ keyHash, ...caller }) => [keyHash.toString('base64'), caller]),
    );
    this.readAt = startedAt;
  }
}
