import { isUtf8 } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import type { RefusalCause } from '../../audit/refusal.js';
import { Settings } from '../../platform/config/settings.js';

export type SignatureVerdict =
  /** `secret`: position in `SVIX_SECRETS`, from 1. */
  | { readonly valid: true; readonly secret: number }
  | { readonly valid: false; readonly cause: RefusalCause };

/** White-labeled senders use `webhook-*`; Reducto does not document which prefix it sends. */
const HEADERS = (['svix', 'webhook'] as const).map((prefix) => ({
  id: `${prefix}-id`,
  timestamp: `${prefix}-timestamp`,
  signature: `${prefix}-signature`,
}));

/** The tolerance of Standard Webhooks. */
const TOLERANCE_MILLISECONDS = 5 * 60 * 1000;

/**
 * Verifies Svix signatures (Standard Webhooks) over the raw body. The library only signs: its own verification uses
 * the current time, and checks it before the signature.
 */
@Injectable()
export class SvixSignatures {
  private readonly secrets: readonly Webhook[];

  constructor(settings: Settings) {
    this.secrets = settings.SVIX_SECRETS.map((secret) => new Webhook(secret));
  }

  /** Whether the message has any signature header. */
  hasSignature(headers: IncomingHttpHeaders): boolean {
    return HEADERS.some(
      (names) => headers[names.signature] !== undefined || headers[names.id] !== undefined,
    );
  }

  /** @param at the time at which the signature must be fresh */
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
    // The library decodes the body as UTF-8, so other bytes would be signed as replacement characters.
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
