import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import type { ApiKey, Scope } from '../access/api-key.entity.js';
import { ApiKeysService } from '../access/api-keys.service.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** Admin actions on API keys, recorded in the audit. */
@Injectable()
export class AdminKeys {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly actions: AdminActions,
  ) {}

  /** Creates a key for `service`. The plain `key` is not stored. */
  async create(
    actor: Actor,
    service: string,
    scopes: readonly Scope[],
  ): Promise<{ stored: ApiKey; key: string }> {
    const intent = { service, scopes };
    const created = await this.actions.transact(actor, 'key.create', intent, async (manager) => {
      const result = await this.keys.create(service, scopes, manager);
      return { result, detail: identifiersOf(result.stored) };
    });
    this.keys.forgetKnown();
    return created;
  }

  /** Throws `key_not_found` if the key does not exist or was revoked before. */
  async revoke(actor: Actor, id: string): Promise<void> {
    await this.actions.transact(actor, 'key.revoke', { key: id }, async (manager) => {
      const revoked = isUuid(id) ? await this.keys.revoke(id, manager) : undefined;
      if (revoked === undefined) throw new GatewayError('key_not_found');
      return { result: undefined, detail: identifiersOf(revoked) };
    });
    this.keys.forgetKnown();
  }
}

function identifiersOf({ id, service, scopes, prefix }: ApiKey): Record<string, unknown> {
  return { key: id, prefix, service, scopes };
}
