import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { timeOrderedId } from '../platform/time-ordered-id.js';
import { hashOfKey, prefixOfKey } from './api-key-format.js';
import { ApiKeyStore } from './api-key.store.js';

/** Stores the admin key of the setting BOOTSTRAP_ADMIN_KEY at startup. */
@Injectable()
export class BootstrapKey implements OnApplicationBootstrap {
  private readonly logger = new Logger(BootstrapKey.name);

  constructor(
    private readonly store: ApiKeyStore,
    private readonly settings: Settings,
  ) {}

  /**
   * Only a new key, or one that was replaced before, changes anything: other processes may have another setting, and a
   * restart must not undo theirs.
   */
  async onApplicationBootstrap(): Promise<void> {
    const key = this.settings.BOOTSTRAP_ADMIN_KEY;
    if (key === undefined) return;
    const change = await this.store.setBootstrapKey({
      id: timeOrderedId(),
      service: 'bootstrap',
      scopes: ['admin'],
      keyHash: hashOfKey(key),
      prefix: prefixOfKey(key),
    });
    if (change === 'replaced') this.logger.warn('BOOTSTRAP_ADMIN_KEY replaced the one before');
    if (change === 'revoked') {
      this.logger.warn('BOOTSTRAP_ADMIN_KEY names a revoked key: set another one, or unset it');
    }
  }
}
