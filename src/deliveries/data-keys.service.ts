import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { DataCipher, DataKeyError } from '../platform/crypto/data-cipher.js';
import { rows } from '../platform/database/sql.js';
import { Transactions } from '../platform/database/transactions.js';
import { WORKERS_WITHOUT_KEY } from '../platform/work/worker-lock.js';
import { rowOf } from './endpoints/endpoint-secret.js';

/** What a re-encryption did. */
export interface Rekeyed {
  /** Number of values that were encrypted again. */
  readonly values: number;
  /** Why other values were left as they are. */
  readonly unreadable: readonly string[];
}

/** Keys by which values of endpoints are stored. */
export interface KeyInUse {
  /** Null: in plain text. */
  readonly key: number | null;
  readonly endpoints: number;
}

const BATCH_SIZE = 100;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/** Encrypts what is stored under older keys of `DATA_KEYS` again. */
@Injectable()
export class DataKeysService {
  constructor(
    private readonly cipher: DataCipher,
    private readonly transactions: Transactions,
  ) {}

  /** The number of running workers that could not read what the first key of `DATA_KEYS` encrypts. */
  countWorkersWithout(key: number): Promise<number> {
    return this.transactions.run(
      async (manager) => (await rows(manager, WORKERS_WITHOUT_KEY, [key])).length,
    );
  }

  /** How many endpoints have values under each key. */
  keysInUse(): Promise<KeyInUse[]> {
    return this.transactions.run((manager) => rows<KeyInUse>(manager, KEYS_IN_USE));
  }

  /** Encrypts all values of endpoints with the first key. Those that it cannot read stay as they are. */
  async rekey(): Promise<Rekeyed> {
    const unreadable: string[] = [];
    let values = 0;
    let after: string | undefined = FIRST_ID;
    while (after !== undefined) {
      const last: string = after;
      const batch = await this.transactions.run((manager) => this.rekeyBatch(manager, last));
      values += batch.values;
      unreadable.push(...batch.unreadable);
      after = batch.last;
    }
    return { values, unreadable };
  }

  private async rekeyBatch(
    manager: EntityManager,
    after: string,
  ): Promise<Rekeyed & { readonly last: string | undefined }> {
    const { currentPrefix } = this.cipher;
    const found = await rows<StoredValues>(manager, LOCK_STALE, [after, currentPrefix, BATCH_SIZE]);
    const unreadable: string[] = [];
    let values = 0;
    const again = (stored: string | null, id: string): string | null => {
      if (stored === null || this.cipher.isCurrent(stored)) return stored;
      try {
        const text = this.cipher.decrypt(stored, rowOf(id));
        values += 1;
        return this.cipher.encrypt(text, rowOf(id));
      } catch (error) {
        if (!(error instanceof DataKeyError)) throw error;
        unreadable.push(error.message);
        return stored;
      }
    };
    await rows(manager, UPDATE, [
      found.map(({ id }) => id),
      found.map(({ id, secret }) => again(secret, id)),
      found.map(({ id, previousSecret }) => again(previousSecret, id)),
      found.map(({ id, headers }) => again(headers, id)),
    ]);
    return { values, unreadable, last: found.at(-1)?.id };
  }
}

/** The columns that `DATA_KEYS` encrypts; a test finds every other one. */
interface StoredValues {
  readonly id: string;
  readonly secret: string;
  readonly previousSecret: string | null;
  readonly headers: string | null;
}

/** A secret that a rotation replaced, while it still signs. */
const VALID_PREVIOUS = `CASE WHEN previous_secret_until > now() THEN previous_secret END`;

/** Endpoints after $1 with values that do not begin with $2. Endpoints are always locked in the order of their ids. */
const LOCK_STALE = `
  SELECT id, secret, ${VALID_PREVIOUS} AS "previousSecret", headers
    FROM endpoints
   WHERE id > $1
     AND (NOT starts_with(secret, $2) OR NOT starts_with(previous_secret, $2) OR NOT starts_with(headers, $2))
   ORDER BY id LIMIT $3 FOR NO KEY UPDATE`;

/** Also removes previous secrets that are no longer valid. */
const UPDATE = `
  UPDATE endpoints
     SET secret = value.secret, previous_secret = value.previous_secret, headers = value.headers
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS value (id, secret, previous_secret, headers)
   WHERE endpoints.id = value.id`;

/** `KeyInUse` of each key. */
export const KEYS_IN_USE = `
  SELECT CASE WHEN starts_with(value, 'aes256gcm:') THEN split_part(value, ':', 2)::integer END AS key,
         count(DISTINCT id)::integer AS endpoints
    FROM endpoints, unnest(ARRAY[secret, ${VALID_PREVIOUS}, headers]) AS value
   WHERE value IS NOT NULL GROUP BY 1 ORDER BY 1`;
