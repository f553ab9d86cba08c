import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { WebhookFaults } from '../faults/faults.js';
import { Platform } from '../faults/platform-switches.js';

/** More than the tolerance of receivers: five minutes. */
const OUT_OF_TOLERANCE_MS = 6 * 60_000;

export interface Signing {
  id: string;
  timestamp: Date;
  body: string;
  secrets: readonly string[];
  prefix: Platform['svixHeaderPrefix'];
}

/** The three signature headers. Each secret adds a signature, as during a rotation. */
export function signedHeaders(signing: Signing): Record<string, string> {
  const { id, timestamp, body, secrets, prefix } = signing;
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, timestamp, body));
  return {
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(Math.floor(timestamp.getTime() / 1_000)),
    [`${prefix}-signature`]: signatures.join(' '),
  };
}

/**
 * Applies the `signature` switch. Timestamps are real time plus the platform's skew: receivers
 * compare them with their own clock, not with the virtual one.
 */
export function signedHeadersFor(
  fault: WebhookFaults['signature'],
  platform: Platform,
  id: string,
  body: string,
): Record<string, string> {
  const now = Date.now() + platform.clockSkewMs;
  const { svixSecrets: secrets, svixHeaderPrefix: prefix } = platform;
  const signing: Signing = { id, timestamp: new Date(now), body, secrets, prefix };
  switch (fault) {
    case 'none':
      return {};
    case 'bad':
      return signedHeaders({ ...signing, body: `${body} ` });
    case 'otherSecret':
      return signedHeaders({ ...signing, secrets: [newSecret()] });
    case 'stale':
      return signedHeaders({ ...signing, timestamp: new Date(now - OUT_OF_TOLERANCE_MS) });
    case 'future':
      return signedHeaders({ ...signing, timestamp: new Date(now + OUT_OF_TOLERANCE_MS) });
    case 'good':
    case undefined:
    default:
      return signedHeaders(signing);
  }
}

export function newSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`;
}

/**
 * Svix ids are `msg_` plus 27 letters and digits. The same seed gives the same id: retries and
 * resends of one event share it.
 */
export function messageId(seed: string = randomUUID()): string {
  const letters = createHash('sha256').update(seed).digest('base64').replaceAll(/[+/=]/gu, '');
  return `msg_${letters.padEnd(27, '0').slice(0, 27)}`;
}
