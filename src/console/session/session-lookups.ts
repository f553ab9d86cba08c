import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Settings } from '../../platform/config/settings.js';
import { SessionStore, type StoredSession } from './session.store.js';

const MAX_TOKENS = 10_000;
const REJECTED_MILLISECONDS = 60_000;
/** Between two reads of the database for tokens that this process has not seen. */
const MIN_INTERVAL_MILLISECONDS = 100;

interface Read {
  readonly hashes: Map<string, Buffer>;
  readonly result: Promise<Map<string, StoredSession>>;
}

/**
 * Finds sessions by the hash of their token. All unknown tokens that arrive together share one read, so guessing costs the
 * database no more than ten reads a second, and never delays a session that this process knows.
 */
@Injectable()
export class SessionLookups {
  private readonly known = new LRUCache<string, true>({ max: MAX_TOKENS });
  /** A token that belongs to no session will never belong to one. */
  private readonly rejected = new LRUCache<string, true>({
    max: MAX_TOKENS,
    ttl: REJECTED_MILLISECONDS,
  });
  /** The read that has not begun. */
  private pending: Read | undefined;
  private lastRead: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: SessionStore,
    private readonly settings: Settings,
  ) {}

  /** `first`: the token was not rejected a short time ago. */
  async find(tokenHash: Buffer): Promise<{ session: StoredSession | undefined; first: boolean }> {
    const key = tokenHash.toString('base64');
    if (this.rejected.has(key)) return { session: undefined, first: false };
    const found = this.known.has(key)
      ? await this.read(new Map([[key, tokenHash]]))
      : await this.readTogether(key, tokenHash);
    const session = found.get(key);
    if (session !== undefined) {
      this.known.set(key, true);
      return { session, first: false };
    }
    this.known.delete(key);
    const first = !this.rejected.has(key);
    this.rejected.set(key, true);
    return { session, first };
  }

  private readTogether(key: string, tokenHash: Buffer): Promise<Map<string, StoredSession>> {
    this.pending ??= this.plan();
    this.pending.hashes.set(key, tokenHash);
    return this.pending.result;
  }

  private plan(): Read {
    const hashes = new Map<string, Buffer>();
    const result = this.lastRead.then(() => {
      this.pending = undefined;
      this.lastRead = setTimeout(MIN_INTERVAL_MILLISECONDS, undefined, { ref: false });
      return this.read(hashes);
    });
    return { hashes, result };
  }

  private async read(hashes: ReadonlyMap<string, Buffer>): Promise<Map<string, StoredSession>> {
    const found = await this.store.find([...hashes.values()], this.settings.CONSOLE_IDLE_MINUTES);
    return new Map(found.map((session) => [session.tokenHash.toString('base64'), session]));
  }
}
