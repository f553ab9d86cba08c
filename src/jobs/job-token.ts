import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { HmacSha256 } from '../platform/crypto/hmac-sha256.js';
import { Settings } from '../platform/config/settings.js';

interface TokenKey {
  readonly version: number;
  readonly hmac: HmacSha256;
}

/**
 * The secret that travels with a job through Reducto and back: `v<key>.base64url(HMAC-SHA256(key, job id))`.
 * Each job has its own, and checking one needs no database. `TOKEN_KEYS` holds the keys: the first
 * signs, all verify, so that keys can be exchanged while jobs are under way.
 */
@Injectable()
export class JobTokens {
  private readonly keys: readonly TokenKey[];

  constructor(settings: Settings) {
    this.keys = (settings.TOKEN_KEYS ?? []).map(({ version, key }) => ({
      version,
      hmac: new HmacSha256(key),
    }));
  }

  /** The token of job `jobId`. Throws where no key is configured. */
  sign(jobId: string): string {
    const [key] = this.keys;
    if (key === undefined) throw new Error('TOKEN_KEYS is empty');
    return tokenOf(key, jobId);
  }

  /** The version of the key that signed `token` for `jobId`, or `undefined` where none of ours did. */
  verify(jobId: string, token: string): number | undefined {
    const version = versionOf(token);
    const key = this.keys.find((candidate) => candidate.version === version);
    if (key === undefined) return undefined;
    const expected = tokenOf(key, jobId);
    // How long a token is, is no secret.
    if (token.length !== expected.length) return undefined;
    const [given, wanted] = [Buffer.from(token), Buffer.from(expected)];
    return given.length === wanted.length && timingSafeEqual(given, wanted) ? version : undefined;
  }
}

/** Which key a token claims; `undefined` for what is none of ours. */
export function versionOf(token: string): number | undefined {
  const version = /^v(\d{1,9})\./.exec(token)?.[1];
  return version === undefined ? undefined : Number(version);
}

function tokenOf({ version, hmac }: TokenKey, jobId: string): string {
  return `v${version}.${hmac.of(jobId)}`;
}
