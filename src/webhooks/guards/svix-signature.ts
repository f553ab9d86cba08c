import { isUtf8 } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import type { RefusalCause } from '../../audit/refusal.js';
import { Settings } from '../../platform/config/settings.js';

export type SignatureVerdict =
  /** `secret`: which of `SVIX_SECRETS` it was, counted from 1. */
  | { readonly valid: true; readonly secret: number }
  | { readonly valid: false; readonly cause: RefusalCause };

/** White-labelled senders use `webhook-*`; which of the two Reducto sends is not certain. */
const HEADERS = (['svix', 'webhook'] as const).map((prefix) => ({
  id: `${prefix}-id`,
  timestamp: `${prefix}-timestamp`,
  signature: `${prefix}-signature`,
}));

/** As the standard has it: a signature is good for five minutes, and clocks may differ by as much. */
const TOLERANCE_MILLISECONDS = 5 * 60 * 1000;

/**
 * Checks the signature of Svix (Standard Webhooks) over the raw body. The library signs; the comparison is
 * here, because its own judges by the clock of now, and before it looks at the signature.
 */
@Injectable()
export class SvixSignatures {
  private readonly secrets: readonly Webhook[];

  constructor(settings: Settings) {
    this.secrets = settings.SVIX_SECRETS.map((secret) => new Webhook(secret));
  }

  /** Whether a message claims to be signed: any of the headers is there. */
  isClaimed(headers: IncomingHttpHeaders): boolean {
    return HEADERS.some(
      (names) => headers[names.signature] !== undefined || headers[names.id] !== undefined,
    );
  }

  /** `at`: the moment around which the signature must be fresh. */
  verify(headers: IncomingHttpHeaders, body: Buffer, at = new Date()): SignatureVerdict {
    if (this.secrets.length === 0) return { valid: false, cause: 'svix_not_configured' };
    const names = HEADERS.find((candidate) => headers[candidate.signature] !== undefined);
    const [id, timestamp, signature] =
      names === undefined
        ? []
        : [headers[names.id], headers[names.timestamp], headers[names.signature]];
    if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string') {
      return { valid: false, cause: 'signature_incomplete' };
    }
    // The library signs text: bytes that are no text would be signed as something else.
    if (!isUtf8(body) || !/^\d{1,12}$/.test(timestamp))
      return { valid: false, cause: 'signature_invalid' };
    const moment = new Date(Number(timestamp) * 1000);
    const given = signature.split(' ').map((candidate) => Buffer.from(candidate));
    const index = this.secrets.findIndex((secret) => {
      const expected = Buffer.from(secret.sign(id, moment, body));
      return given.some(
        (candidate) => candidate.length === expected.length && timingSafeEqual(candidate, expected),
      );
    });
    if (index === -1) return { valid: false, cause: 'signature_invalid' };
    if (Math.abs(at.getTime() - moment.getTime()) > TOLERANCE_MILLISECONDS) {
      return { valid: false, cause: 'signature_stale' };
    }
    return { valid: true, secret: index + 1 };
  }
}
