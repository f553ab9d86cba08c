import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { DataKeysService } from '../data-keys.service.js';

/** Logs at start which keys `DATA_KEYS` lacks: the gateway sends nothing to their endpoints. */
@Injectable()
export class MissingKeys implements OnApplicationBootstrap {
  private readonly logger = new Logger('Deliveries');

  constructor(
    private readonly settings: Settings,
    private readonly dataKeys: DataKeysService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const known = (this.settings.DATA_KEYS ?? []).map(({ version }) => version);
    try {
      for (const { key, endpoints } of await this.dataKeys.keysInUse()) {
        if (key === null || known.includes(key)) continue;
        const msg = `DATA_KEYS lacks key ${key}: no events can be sent to its endpoints`;
        this.logger.error({ msg, endpoints });
      }
    } catch (error) {
      this.logger.warn({ msg: 'the keys of stored secrets were not checked', err: error });
    }
  }
}
