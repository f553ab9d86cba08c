import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { EntityManager } from 'typeorm';
import { GatewayError } from '../platform/errors/error-codes.js';
import { timeOrderedId } from '../platform/time-ordered-id.js';
import type { ApiKey, Scope } from './api-key.entity.js';
import { hashOfKey, prefixOfKey, newApiKey } from './api-key-format.js';
import { ActiveKeys } from './active-keys.js';
import { ApiKeyStore } from './api-key.store.js';
import type { Caller } from './caller.js';
import { FailedAttempts, type Surface } from './failed-attempts.js';

const LAST_USE_MILLISECONDS = 60_000;

@Injectable()
export class ApiKeysService {
  private readonly logger = new Logger(ApiKeysService.name);
  private readonly recentlyUsed = new LRUCache<string, true>({
    max: 10_000,
    ttl: LAST_USE_MILLISECONDS,
  });

  constructor(
    private readonly store: ApiKeyStore,
    private readonly active: ActiveKeys,
    private readonly attempts: FailedAttempts,
  ) {}

  /**
   * Authenticates `key` from the client `address`. Throws `unauthenticated` if it is unknown or revoked, and
   * `too_many_requests` after too many failures; a valid key always passes.
   */
  async authenticate(key: string, address: string, surface: Surface): Promise<Caller> {
    const caller = await this.active.find(hashOfKey(key));
    if (caller === undefined) throw refusal(this.attempts.count(address, surface));
    this.recordUse(caller.keyId);
    return caller;
  }

  /** The owner of a key that is not revoked, always read from the database. */
  stillActive(keyId: string): Promise<Caller | undefined> {
    return this.store.findActiveById(keyId);
  }

  /** Creates a key for `service`. The plain `key` is not stored. */
  async create(
    service: string,
    scopes: readonly Scope[],
    manager?: EntityManager,
  ): Promise<{ stored: ApiKey; key: string }> {
    const key = newApiKey();
    const issued: Parameters<ApiKeyStore['insert']>[0] = {
      id: timeOrderedId(),
      service,
      scopes: [...new Set(scopes)],
      keyHash: hashOfKey(key),
      prefix: prefixOfKey(key),
      origin: 'issued',
    };
    return { stored: await this.store.insert(issued, manager), key };
  }

  list(): Promise<ApiKey[]> {
    return this.store.list();
  }

  /**
   * Revokes a key. Call `forgetKnown` after the commit: this process then refuses the key at once, and other processes
   * within 5 seconds. `undefined` if there is no such key, or it was already revoked.
   */
  revoke(id: string, manager?: EntityManager): Promise<ApiKey | undefined> {
    return this.store.revoke(id, manager);
  }

  forgetKnown(): void {
    this.active.invalidate();
  }

  private recordUse(keyId: string): void {
    if (this.recentlyUsed.has(keyId)) return;
    this.recentlyUsed.set(keyId, true);
    this.store
      .recordUse(keyId)
      .catch((error: unknown) =>
        this.logger.warn({ msg: 'the last use of a key was not recorded', err: error }),
      );
  }
}

function refusal(waitSeconds: number | undefined): GatewayError {
  const reason = 'This API key is unknown or revoked';
  if (waitSeconds === undefined) return new GatewayError('unauthenticated', `${reason}.`);
  const wait = `${waitSeconds} ${waitSeconds === 1 ? 'second' : 'seconds'}`;
  const detail = `${reason}, and too many attempts have failed. Try again in ${wait}; a valid key is accepted at once.`;
  return new GatewayError('too_many_requests', detail, { retryAfterSeconds: waitSeconds });
}
