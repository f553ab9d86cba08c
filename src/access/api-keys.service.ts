import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { v7 as uuidv7 } from 'uuid';
import { Settings } from '../platform/config/settings.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { ApiKey, Scope } from './api-key.entity.js';
import { hashOfKey, hintOfKey, newApiKey } from './api-key-format.js';
import { ApiKeyStore } from './api-key.store.js';
import type { Caller } from './caller.js';

/** How long another process may still accept a key that was revoked. */
const CACHE_MILLISECONDS = 5000;
const LAST_USE_MILLISECONDS = 60_000;

@Injectable()
export class ApiKeysService implements OnApplicationBootstrap {
  private readonly logger = new Logger(ApiKeysService.name);
  private readonly known = new LRUCache<string, Caller>({ max: 10_000, ttl: CACHE_MILLISECONDS });
  private readonly recentlyUsed = new LRUCache<string, true>({
    max: 10_000,
    ttl: LAST_USE_MILLISECONDS,
  });

  constructor(
    private readonly store: ApiKeyStore,
    private readonly settings: Settings,
  ) {}

  /**
   * Only a key that is new or was replaced before changes anything: other processes may have another setting, or
   * none, and what they set must not be undone by a restart.
   */
  async onApplicationBootstrap(): Promise<void> {
    const key = this.settings.BOOTSTRAP_ADMIN_KEY;
    if (key === undefined || !this.settings.has('api')) return;
    const change = await this.store.setBootstrapKey({
      id: uuidv7(),
      service: 'bootstrap',
      scopes: ['admin'],
      keyHash: hashOfKey(key),
      hint: hintOfKey(key),
    });
    if (change === 'replaced') this.logger.warn('BOOTSTRAP_ADMIN_KEY replaced the one before');
    if (change === 'revoked') {
      this.logger.warn('BOOTSTRAP_ADMIN_KEY names a revoked key: set another one, or unset it');
    }
  }

  /** The caller behind `key`, or `undefined` where it is unknown or revoked. */
  async authenticate(key: string): Promise<Caller | undefined> {
    const hash = hashOfKey(key);
    const cacheKey = hash.toString('base64');
    const caller = this.known.get(cacheKey) ?? (await this.store.findActive(hash));
    if (caller === undefined) return undefined;
    this.known.set(cacheKey, caller, { noUpdateTTL: true });
    this.noteUse(caller.keyId);
    return caller;
  }

  /** The owner of a key, as long as it is not revoked. Always asks the database. */
  stillActive(keyId: string): Promise<Caller | undefined> {
    return this.store.findActiveById(keyId);
  }

  /** Creates a key for `service`; `key` is not stored and cannot be had again. */
  async create(
    service: string,
    scopes: readonly Scope[],
  ): Promise<{ stored: ApiKey; key: string }> {
    const key = newApiKey();
    const stored = await this.store.insert({
      id: uuidv7(),
      service,
      scopes: [...new Set(scopes)],
      keyHash: hashOfKey(key),
      hint: hintOfKey(key),
      origin: 'issued',
    });
    return { stored, key };
  }

  list(): Promise<ApiKey[]> {
    return this.store.list();
  }

  /** Revokes a key at once here, and within seconds in other processes. Throws `key_not_found`. */
  async revoke(id: string): Promise<void> {
    if (!(await this.store.revoke(id))) throw new GatewayError('key_not_found');
    this.known.clear();
  }

  private noteUse(keyId: string): void {
    if (this.recentlyUsed.has(keyId)) return;
    this.recentlyUsed.set(keyId, true);
    this.store
      .noteUse(keyId)
      .catch((error: unknown) => this.logger.warn({ msg: 'last use was not noted', err: error }));
  }
}
