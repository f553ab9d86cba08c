import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';

/** A key of the audit, by an id that says which one it is without telling it. */
export interface AuditKey {
  readonly id: string;
  /** For the hash chain. */
  readonly chain: Buffer;
  /** For what a re-check needs. */
  readonly seal: Buffer;
}

/**
 * The keys of the audit (`AUDIT_KEYS`). The first one writes, all can read. Whoever has the database
 * but none of the keys can neither forge an entry nor read a sealed one.
 */
@Injectable()
export class AuditKeys {
  private readonly keys: readonly AuditKey[];

  constructor(settings: Settings) {
    this.keys = (settings.AUDIT_KEYS ?? []).map(({ key }) => derive(key));
  }

  /** The key that writes. Without any, entries are chained with a key that everybody knows. */
  get current(): AuditKey {
    return this.keys[0] ?? UNKEYED;
  }

  get areGiven(): boolean {
    return this.keys.length > 0;
  }

  /** The key that everybody knows counts only where no other one is configured. */
  find(id: string): AuditKey | undefined {
    if (!this.areGiven && isUnkeyed(id)) return UNKEYED;
    return this.keys.find((key) => key.id === id);
  }

  /** Written with the key that everybody knows, although this process has one of its own. */
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
    seal: purpose('audit seal'),
  };
}

const UNKEYED = derive(Buffer.alloc(32), 'none');

/** HMAC-SHA256 over length-prefixed parts, so that no two lists of parts look the same. */
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
