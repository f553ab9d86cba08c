import { Injectable } from '@nestjs/common';
import { HmacSha256 } from '../platform/crypto/hmac-sha256.js';
import { Settings } from '../platform/config/settings.js';

interface TokenKey {
  readonly version: number;
  readonly prefix: string;
  readonly hmac: HmacSha256;
}

/**
 * Signs and verifies the token of each job, `v<key>.base64url(HMAC-SHA256(key, job id))`, which Reducto echoes in
 * callbacks. The first of `TOKEN_KEYS` signs and all verify, so that keys can be rotated while jobs are open.
 */
@Injectable()
export class CallbackTokenService {
  private readonly keys: readonly TokenKey[];

  constructor(settings: Settings) {
    this.keys = (settings.TOKEN_KEYS ?? []).map(({ version, key }) => ({
      version,
      prefix: `v${version}.`,
      hmac: new HmacSha256(key),
    }));
  }

  get isEnabled(): boolean {
    return this.keys.length > 0;
  }

  /** The token of job `jobId`. Throws without keys. */
  signJobId(jobId: string): string {
    const [key] = this.keys;
    if (key === undefined) throw new Error('TOKEN_KEYS is empty');
    return key.prefix + key.hmac.of(jobId);
  }

  /** Version of the key that signed `token` for `jobId`; `undefined` if none did. */
  verifyToken(jobId: string, token: string): number | undefined {
    const key = this.keys.find(({ prefix }) => token.startsWith(prefix));
    if (key === undefined) return undefined;
    return key.hmac.matches(jobId, token.slice(key.prefix.length)) ? key.version : undefined;
  }
}

/** Key version that a token names; `undefined` for text in another form. */
export function versionOf(token: string): number | undefined {
  const version = /^v(\d{1,9})\./.exec(token)?.[1];
  return version === undefined ? undefined : Number(version);
}
