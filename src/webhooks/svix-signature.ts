import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import type { RefusalCause } from '../audit/refusal.js';
import { Settings } from '../platform/config/settings.js';

export type SignatureVerdict =
  /** `secret`: which of `SVIX_SECRETS` it was, counted from 1. */
  | { readonly valid: true; readonly secret: number }
  | { readonly valid: false; readonly cause: RefusalCause };

/** White-labelled senders use `webhook-*`; which of the two Reducto sends is not certain. */
const PREFIXES = ['svix', 'webhook'] as const;

/** Checks the signature of Svix (Standard Webhooks) over the raw body, good for five minutes. */
@Injectable()
export class SvixSignatures {
  private readonly secrets: readonly Webhook[];

  constructor(settings: Settings) {
    this.secrets = settings.SVIX_SECRETS.map((secret) => new Webhook(secret));
  }

  /** Whether a message claims to be signed: any of the headers is there. */
  isClaimed(headers: IncomingHttpHeaders): boolean {
    return PREFIXES.some(
      (prefix) =>
        headers[`${prefix}-signature`] !== undefined || headers[`${prefix}-id`] !== undefined,
    );
  }

  verify(headers: IncomingHttpHeaders, body: Buffer): SignatureVerdict {
    if (this.secrets.length === 0) return { valid: false, cause: 'svix_not_configured' };
    const prefix = PREFIXES.find((candidate) => headers[`${candidate}-signature`] !== undefined);
    const id = headers[`${prefix}-id`];
    const timestamp = headers[`${prefix}-timestamp`];
    const signature = headers[`${prefix}-signature`];
    if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string') {
      return { valid: false, cause: 'signature_incomplete' };
    }
    // The library signs text: bytes that are no text would be signed as something else.
    if (!isUtf8(body) || !/^\d{1,12}$/.test(timestamp))
      return { valid: false, cause: 'signature_invalid' };
    const standard = {
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signature,
    };
    let cause: RefusalCause = 'signature_invalid';
    for (const [index, secret] of this.secrets.entries()) {
      try {
        secret.verify(body, standard, { jsonParse: false });
        return { valid: true, secret: index + 1 };
      } catch (error) {
        if (error instanceof Error && /timestamp too/.test(error.message))
          cause = 'signature_stale';
      }
    }
    return { valid: false, cause };
  }
}
