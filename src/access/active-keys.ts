import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ApiKeyStore } from './api-key.store.js';
import type { Caller } from './caller.js';

/** How long another process may still accept a key that was revoked. */
const MAX_AGE_MILLISECONDS = 5000;
/** Between two reads of the database, however many unknown keys arrive. */
const MIN_INTERVAL_MILLISECONDS = 100;

/**
 * The keys that are not revoked, in memory. An unknown key may have been created by another process a moment ago, so it
 * waits for the next read of all keys. All that arrive meanwhile share that read: guessing costs the database no more than
 * ten reads a second, and never delays a key that is in memory.
 */
@Injectable()
export class ActiveKeys {
  private byHash: ReadonlyMap<string, Caller> = new Map();
  /** When the read began that `byHash` is from, in the time of `performance.now()`. */
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

  /** Call it after each change of a key: what was read before it no longer counts. */
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
