import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';

/** A key of the audit. The id identifies it without revealing it. */
export interface AuditKey {
  readonly id: string;
  /** Signs entries and ends of the chain. */
  readonly chain: Buffer;
  /** Encrypts raw requests. */
  readonly encryption: Buffer;
}

/**
 * The keys of the audit (`AUDIT_KEYS`). The first one signs, all verify. Without a key, access to the database suffices
 * neither to forge an entry nor to read a raw request.
 */
@Injectable()
export class AuditKeys {
  private readonly keys: readonly AuditKey[];

  constructor(settings: Settings) {
    this.keys = (settings.AUDIT_KEYS ?? []).map(({ key }) => derive(key));
  }

  /** The key that signs and encrypts; without `AUDIT_KEYS`, a publicly known one. */
  get current(): AuditKey {
    return this.keys[0] ?? UNKEYED;
  }

  get areGiven(): boolean {
    return this.keys.length > 0;
  }

  /** The publicly known key is valid only if no other one is configured. */
  find(id: string): AuditKey | undefined {
    if (!this.areGiven && isUnkeyed(id)) return UNKEYED;
    return this.keys.find((key) => key.id === id);
  }

  /** Signed with the publicly known key, although this process has `AUDIT_KEYS`. */
  isForgeable(id: string): boolean {
    return this.areGiven && isUnkeyed(id);
  }
}

function isUnkeyed(id: string): boolean {
  return id === UNKEYED.id;
}

function derive(secret: Buffer, id?: string): AuditKey {
  const purpose = (name: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, 'reducto-gateway', name, 32));
  const chain = purpose('audit chain');
  return {
    id: id ?? createHash('sha256').update(chain).digest('hex').slice(0, 12),
    chain,
    encryption: purpose('audit seal'),
  };
}

const UNKEYED = derive(Buffer.alloc(32), 'none');

/** HMAC-SHA256 over length-prefixed parts, so that different lists have different MACs. */
export function authenticate(key: AuditKey, parts: readonly (string | Buffer)[]): Buffer {
  const hmac = createHmac('sha256', key.chain);
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    hmac.update(length).update(bytes);
  }
  return hmac.digest();
}
