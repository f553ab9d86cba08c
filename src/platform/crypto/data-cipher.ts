import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const PLAIN = 'plain:';
/** `aes256gcm:<version of the key>:<base64url of nonce, tag, and ciphertext>`. */
const ENCRYPTED = /^aes256gcm:(\d{1,9}):([\w-]+)$/;

/** A stored value that this process cannot decrypt. The message contains neither the value nor a key. */
export class DataKeyError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DataKeyError';
  }
}

/**
 * Encrypts single values in the database with `DATA_KEYS` (AES-256-GCM). The first key encrypts, all decrypt. Without keys
 * a value is stored in plain text, with a prefix that says so.
 */
@Injectable()
export class DataCipher {
  private readonly keys: ReadonlyMap<number, Buffer>;
  private readonly current: { readonly version: number; readonly key: Buffer } | undefined;

  constructor(settings: Settings) {
    const keys = (settings.DATA_KEYS ?? []).map(({ version, key }) => ({
      version,
      key: Buffer.from(hkdfSync('sha256', key, 'reducto-gateway', 'stored data', 32)),
    }));
    this.keys = new Map(keys.map(({ version, key }) => [version, key]));
    this.current = keys[0];
  }

  /** @param row where the value is stored, such as `endpoints/<id>`; the value decrypts only there */
  encrypt(text: string, row: string): string {
    if (this.current === undefined) return PLAIN + text;
    const { version, key } = this.current;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(row));
    const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    const sealed = Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
    return `aes256gcm:${version}:${sealed.toString('base64url')}`;
  }

  /** Throws `DataKeyError` if the key is missing, or the value was changed or belongs to another row. */
  decrypt(stored: string, row: string): string {
    if (stored.startsWith(PLAIN)) return stored.slice(PLAIN.length);
    const [, version, content] = ENCRYPTED.exec(stored) ?? [];
    if (version === undefined || content === undefined) {
      throw new DataKeyError(`the stored value of ${row} has an unknown form`);
    }
    const key = this.keys.get(Number(version));
    if (key === undefined) {
      throw new DataKeyError(`DATA_KEYS lacks key ${version}, which encrypted a value of ${row}`);
    }
    try {
      const sealed = Buffer.from(content, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(row));
      decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const text = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch (error) {
      throw new DataKeyError(
        `the stored value of ${row} was changed, or another key ${version} of DATA_KEYS encrypted it`,
        { cause: error },
      );
    }
  }

  /** What values begin with that are encrypted with the first key; without keys, those in plain text. */
  get currentPrefix(): string {
    return this.current === undefined ? PLAIN : `aes256gcm:${this.current.version}:`;
  }

  /** Whether `stored` is encrypted with the first key, or there is no key. */
  isCurrent(stored: string): boolean {
    return stored.startsWith(this.currentPrefix);
  }
}
