import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { AuditKey } from './audit-keys.js';

/** A callback exactly as received, for re-checks. The gateway never shows it. */
export interface RawRequest {
  readonly method: string;
  readonly peerAddress: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM: nonce, tag, then the encrypted JSON. */
export function encryptRawRequest(key: AuditKey, { body, ...rest }: RawRequest): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.encryption, nonce);
  const plain = JSON.stringify({ ...rest, body: body.toString('base64') });
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** The hash that binds a raw request to its entry. */
export function bindingOf(encrypted: Buffer): { originalSha256: string } {
  return { originalSha256: createHash('sha256').update(encrypted).digest('hex') };
}

/** Throws if `encrypted` was changed, or encrypted with another key. */
export function decryptRawRequest(key: AuditKey, encrypted: Buffer): RawRequest {
  const nonce = encrypted.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key.encryption, nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(encrypted.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  const ciphertext = encrypted.subarray(NONCE_BYTES + TAG_BYTES);
  const plain = Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString();
  // The authentication tag proves that this module wrote the JSON.
  const parsed = JSON.parse(plain) as Omit<RawRequest, 'body'> & { body: string };
  return { ...parsed, body: Buffer.from(parsed.body, 'base64') };
}
