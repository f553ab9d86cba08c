import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, Repository } from 'typeorm';
import { ApiKey } from './api-key.entity.js';
import type { Caller } from './caller.js';

type NewKey = Pick<ApiKey, 'id' | 'service' | 'scopes' | 'keyHash' | 'hint'>;

/** All SQL on `api_keys`. */
@Injectable()
export class ApiKeyStore {
  constructor(@InjectRepository(ApiKey) private readonly keys: Repository<ApiKey>) {}

  async findActive(keyHash: Buffer): Promise<Caller | undefined> {
    const key = await this.keys.findOne({
      select: { id: true, service: true, scopes: true },
      where: { keyHash, revokedAt: IsNull() },
    });
    return key === null ? undefined : { keyId: key.id, service: key.service, scopes: key.scopes };
  }

  async findActiveById(id: string): Promise<Caller | undefined> {
    const key = await this.keys.findOne({
      select: { id: true, service: true, scopes: true },
      where: { id, revokedAt: IsNull() },
    });
    return key === null ? undefined : { keyId: key.id, service: key.service, scopes: key.scopes };
  }

  async insert(key: NewKey & Pick<ApiKey, 'origin'>): Promise<ApiKey> {
    await this.keys.insert(key);
    return this.keys.findOneByOrFail({ id: key.id });
  }

  list(): Promise<ApiKey[]> {
    return this.keys.find({ order: { id: 'ASC' } });
  }

  /** False where there is no such key, or it was revoked before. */
  async revoke(id: string): Promise<boolean> {
    const { affected } = await this.keys.update(
      { id, revokedAt: IsNull() },
      { revokedAt: () => 'now()' },
    );
    return affected === 1;
  }

  async noteUse(id: string): Promise<void> {
    await this.keys.update({ id }, { lastUsedAt: () => 'now()' });
  }

  async upsertBootstrapKey(key: NewKey): Promise<void> {
    await this.keys
      .createQueryBuilder()
      .insert()
      .values({ ...key, origin: 'bootstrap' })
      .orUpdate(['revoked_at'], ['key_hash'])
      .execute();
  }

  async revokeBootstrapKeysExcept(keyHash: Buffer | null): Promise<void> {
    await this.keys
      .createQueryBuilder()
      .update()
      .set({ revokedAt: () => 'now()' })
      .where(`origin = 'bootstrap' AND revoked_at IS NULL`)
      .andWhere('(CAST(:keyHash AS bytea) IS NULL OR key_hash <> :keyHash)', { keyHash })
      .execute();
  }
}
