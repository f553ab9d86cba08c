import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { HmacSha256 } from '../../platform/crypto/hmac-sha256.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import type { JobResult } from '../results/job-result.entity.js';
import { replaceLinks } from './signed-links.js';

/** Separates the keys of links from those of callback tokens. */
const PURPOSE = 'signed links to files';

/** As long as Reducto’s own links. */
const RESULT_LINK_SECONDS = 3600;

/** Other links to the files of a result than the stored ones. */
export interface NewLinks {
  /** Differs with the links. */
  readonly tag: string;
  /** The JSON in `content` with these links. */
  replace(content: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
}

/** The address of a file, for requests with an API key. */
export function fileAddress(settings: Settings, jobId: string, name: string): string {
  return settings.apiUrl + filePath(jobId, name);
}

function filePath(jobId: string, name: string): string {
  return `/v1/jobs/${jobId}/files/${name}`;
}

/**
 * Signs and verifies links to one file that are valid for a while and need no API key: `v<key>.base64url(HMAC-SHA256)` of
 * job, name, and expiry. The first of `TOKEN_KEYS` signs and all verify, each with a key derived for this purpose.
 */
@Injectable()
export class FileLinks {
  private readonly keys: readonly { readonly prefix: string; readonly hmac: HmacSha256 }[];

  constructor(private readonly settings: Settings) {
    this.keys = (settings.TOKEN_KEYS ?? []).map(({ version, key }) => ({
      prefix: `v${version}.`,
      hmac: new HmacSha256(Buffer.from(new HmacSha256(key).of(PURPOSE), 'base64url')),
    }));
  }

  /** The signed address of a file. Throws `invalid_query` if the settings do not allow the lifetime. */
  signedAddress(jobId: string, name: string, seconds: number, now = Date.now()): string {
    const { FILE_LINK_MAX_SECONDS: max, apiUrl } = this.settings;
    const [key] = this.keys;
    if (key === undefined) throw refused('this gateway has no TOKEN_KEYS to sign links with');
    if (seconds > max) throw refused(`the maximum is FILE_LINK_MAX_SECONDS (${max})`);
    const expires = Math.floor(now / 1000) + seconds;
    const signature = key.prefix + key.hmac.of(signedText(jobId, name, String(expires)));
    return `${apiUrl}/files/${jobId}/${name}?expires=${expires}&signature=${signature}`;
  }

  /** For the links to all files of a result: the path before their names, and the signed addresses; unsigned without keys. */
  signAll(jobId: string): { path: string; addressOf: (name: string) => string } {
    const seconds = Math.min(RESULT_LINK_SECONDS, this.settings.FILE_LINK_MAX_SECONDS);
    const isPossible = this.keys.length > 0;
    return {
      path: filePath(jobId, ''),
      addressOf: (name) =>
        isPossible
          ? this.signedAddress(jobId, name, seconds)
          : fileAddress(this.settings, jobId, name),
    };
  }

  /** The links to the files of a stored result, if the API had another address when they were written. */
  newLinks({ jobId, linksBegin }: JobResult): NewLinks | undefined {
    const { apiUrl } = this.settings;
    if (linksBegin === null || linksBegin === apiUrl) return undefined;
    return {
      tag: createHash('sha256').update(apiUrl).digest('hex').slice(0, 16),
      replace: (content) =>
        replaceLinks(content, filePath(jobId, ''), (name) =>
          fileAddress(this.settings, jobId, name),
        ),
    };
  }

  /** Throws `link_not_valid` if the gateway did not sign the link, or if it has expired. */
  verify(
    jobId: string,
    name: string,
    { expires, signature }: { readonly expires: string; readonly signature: string },
    now = Date.now(),
  ): void {
    const key = this.keys.find(({ prefix }) => signature.startsWith(prefix));
    const text = signedText(jobId, name, expires);
    if (key?.hmac.matches(text, signature.slice(key.prefix.length)) !== true) {
      throw new GatewayError('link_not_valid', 'Its signature is not that of this file and time.');
    }
    const expiresAt = Number(expires) * 1000;
    if (expiresAt <= now) {
      const when = new Date(expiresAt).toISOString();
      throw new GatewayError(
        'link_not_valid',
        `It expired at ${when}. List the files for another.`,
      );
    }
  }
}

/** Neither a job id nor a number contains a space. */
function signedText(jobId: string, name: string, expires: string): string {
  return `${jobId} ${expires} ${name}`;
}

function refused(message: string): GatewayError {
  return new GatewayError('invalid_query', undefined, {
    errors: [{ path: 'signedSeconds', message }],
  });
}
