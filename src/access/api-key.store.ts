import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, Repository, type EntityManager } from 'typeorm';
import { ApiKey } from './api-key.entity.js';
import type { Caller } from './caller.js';

type NewKey = Pick<ApiKey, 'id' | 'service' | 'scopes' | 'keyHash' | 'prefix'>;

/** The outcome for the key of BOOTSTRAP_ADMIN_KEY; `revoked`: an admin has revoked it, and it stays revoked. */
export type BootstrapChange = 'unchanged' | 'added' | 'replaced' | 'revoked';

/** Serializes processes that set the bootstrap key at the same time. */
const BOOTSTRAP_LOCK = 7_203_114_906;

/** All SQL on `api_keys`. */
@Injectable()
export class ApiKeyStore {
  constructor(@InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>) {}

  async listActive(): Promise<(Caller & Pick<ApiKey, 'keyHash'>)[]> {
    const keys = await this.keys.find({
      select: { id: true, service: true, scopes: true, keyHash: true },
      where: { revokedAt: IsNull() },
    });
    return keys.map(({ id, ...key }) => ({ keyId: id, ...key }));
  }

  async findActiveById(id: string): Promise<Caller | undefined> {
    const key = await this.keys.findOne({
      select: { id: true, service: true, scopes: true },
      where: { id, revokedAt: IsNull() },
    });
    return key === null ? undefined : { keyId: key.id, service: key.service, scopes: key.scopes };
  }

  async insert(key: NewKey & Pick<ApiKey, 'origin'>, manager?: EntityManager): Promise<ApiKey> {
    const keys = this.keysWithin(manager);
    await keys.insert(key);
    return keys.findOneByOrFail({ id: key.id });
  }

  list(): Promise<ApiKey[]> {
    return this.keys.find({ order: { id: 'ASC' } });
  }

  /** `undefined` if there is no such key, or an admin has already revoked it. */
  async revoke(id: string, manager?: EntityManager): Promise<ApiKey | undefined> {
    const keys = this.keysWithin(manager);
    const { affected } = await keys.update(
      [
        { id, revokedAt: IsNull() },
        { id, replaced: true },
      ],
      { revokedAt: () => 'coalesce(revoked_at, now())', replaced: false },
    );
    return affected === 1 ? keys.findOneByOrFail({ id }) : undefined;
  }

  async recordUse(id: string): Promise<void> {
    await this.keys.update({ id }, { lastUsedAt: () => 'now()' });
  }

  /**
   * Makes `key` the bootstrap key, and revokes the one that it replaces. A key that an admin has revoked stays revoked.
   * Changes nothing if `key` is active, so that a restart of another process undoes nothing.
   */
  setBootstrapKey(key: NewKey): Promise<BootstrapChange> {
    return this.keys.manager.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [BOOTSTRAP_LOCK]);
      const keys = manager.getRepository(ApiKey);
      const { keyHash } = key;
      const known = await keys.findOneBy({ keyHash });
      if (known?.revokedAt === null) return 'unchanged';
      if (known !== null && !known.replaced) return 'revoked';
      const { affected } = await keys.update(
        { origin: 'bootstrap', revokedAt: IsNull() },
        { revokedAt: () => 'now()', replaced: true },
      );
      if (known === null) await keys.insert({ ...key, origin: 'bootstrap' });
      else await keys.update({ keyHash }, { revokedAt: null, replaced: false });
      return affected === 0 ? 'added' : 'replaced';
    });
  }

  private keysWithin(manager: EntityManager | undefined): Repository<ApiKey> {
    return manager?.getRepository(ApiKey) ?? this.keys;
  }
}
