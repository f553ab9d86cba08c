import { REFUSAL_REASONS, remediesFor } from '../audit/refusal-reasons.js';
import type { RefusalCause } from '../audit/refusal.js';
import { isPrivateAddress } from '../platform/config/private-host.js';
import type { DetectedKind } from './alert-kinds.js';
import type { AlertEvidence, Installed, RefusalEvidence } from './detection-input.js';

export interface AlertText {
  readonly message: string;
  readonly advice: string;
}

/** The problem and the remedy for operators, with the names of settings. */
export function describeAlert(
  kind: DetectedKind,
  alertEvidence: AlertEvidence,
  refusals: readonly RefusalEvidence[],
  installed: Installed,
): AlertText {
  const { what, advice } = explain(kind, alertEvidence, refusals, installed);
  return { message: `${what} ${numbers(kind, alertEvidence)}`, advice };
}

/** @param entry the changed entry, or the one that recorded the tampering */
export function tamperingWords(reason: string, entry: string | undefined): AlertText {
  const where = entry === undefined ? '' : ` (entry ${entry})`;
  return {
    message: `The audit was tampered with: ${reason}${where}.`,
    advice:
      'If a backup was restored, or a failover lost commits, restart all processes. Otherwise treat it as an intrusion: run “gateway audit verify --since <head>” with the last “audit head” line of the log from before, change the password of the database, and keep its files. See docs/audit.md.',
  };
}

interface Explanation {
  readonly what: string;
  readonly advice: string;
}

function explain(
  kind: DetectedKind,
  alertEvidence: AlertEvidence,
  refusals: readonly RefusalEvidence[],
  installed: Installed,
): Explanation {
  switch (kind) {
    case 'source_address':
      return sourceAddress(alertEvidence, refusals);
    case 'token_key':
      return tokenKey(alertEvidence, refusals, installed);
    case 'svix_secret':
      return svixSecret(refusals, installed);
    case 'clock':
      return byReason('signature_stale');
    case 'form':
      return form(refusals, installed);
    case 'job_unknown':
      return byReason('job_unknown');
    case 'upstream_id':
      return byReason('upstream_id_mismatch');
    case 'attack':
      return {
        what: `Forged callbacks are arriving, mainly from ${listed(alertEvidence)}.`,
        advice:
          'The gateway refuses them, so no setting needs a change. If they continue, block these addresses in front of the gateway, and set WEBHOOK_IP_ALLOWLIST if it is empty.',
      };
  }
}

const REFUSED = 'Callbacks that are probably genuine are refused.';

/** The text of the table about `cause`, with details of these refusals. */
function byReason(cause: RefusalCause, detail = '', advice = remediesFor(cause)): Explanation {
  const what = [REFUSED, REFUSAL_REASONS[cause].why, detail].filter((text) => text !== '');
  return { what: what.join(' '), advice: advice.join(' ') };
}

function sourceAddress(
  alertEvidence: AlertEvidence,
  refusals: readonly RefusalEvidence[],
): Explanation {
  const right = refusals.some(({ secret }) => secret === 'right');
  const proxy = refusals.some(({ forwarded, address }) => forwarded || isPrivateAddress(address));
  const secret = right ? 'Their secret is right.' : 'Their secret is not right either.';
  const remedies = remediesFor('address_not_allowed');
  return byReason(
    'address_not_allowed',
    `They come from ${listed(alertEvidence)}. ${secret}`,
    proxy ? ['This looks like a proxy of your own.', ...remedies] : remedies,
  );
}

function tokenKey(
  { tried }: AlertEvidence,
  refusals: readonly RefusalEvidence[],
  { webhookMode, tokenKeys }: Installed,
): Explanation {
  if (mainSecretCause(refusals, ['token_invalid', 'token_missing']) === 'token_missing') {
    const mode = webhookMode === 'svix' ? 'WEBHOOK_MODE=svix expects signed callbacks.' : '';
    return byReason('token_missing', mode);
  }
  const claimed = tried.flatMap((text) => /^token key (\d+)$/.exec(text)?.[1] ?? []);
  const missing = claimed.filter((version) => !tokenKeys.includes(Number(version)));
  const [named] = missing.length > 0 ? missing : claimed;
  const detail =
    named === undefined
      ? ''
      : missing.length > 0
        ? `The tokens name key ${named}, which TOKEN_KEYS of this process does not hold.`
        : `The tokens name key ${named}, which TOKEN_KEYS of this process holds: other processes have another list, or the key was replaced under its old number.`;
  return byReason('token_invalid', detail, remediesFor('token_invalid', named));
}

function svixSecret(refusals: readonly RefusalEvidence[], { svixSecrets }: Installed): Explanation {
  const causes = ['signature_invalid', 'svix_not_configured', 'signature_incomplete'] as const;
  const cause = mainSecretCause(refusals, causes) ?? 'signature_invalid';
  const number = `SVIX_SECRETS of this process has ${svixSecrets}.`;
  return byReason(cause, cause === 'signature_incomplete' ? '' : number);
}

function form(refusals: readonly RefusalEvidence[], { webhookMaxBytes }: Installed): Explanation {
  const cause = mainCause(refusals) ?? 'not_json';
  const limit = cause === 'too_large' ? `The limit is ${webhookMaxBytes} in this process.` : '';
  return byReason(cause, limit);
}

function numbers(kind: DetectedKind, alertEvidence: AlertEvidence): string {
  const { windowMinutes, refusals, jobs, accepted, waitingJobs, hourBefore } = alertEvidence;
  const of = jobs === 0 ? '' : ` for ${jobs} ${jobs === 1 ? 'job' : 'jobs'}`;
  const wait =
    kind === 'attack' ? '' : ` ${waitingJobs} ${waitingJobs === 1 ? 'job waits' : 'jobs wait'}.`;
  return (
    `In the last ${windowMinutes} minutes ${refusals} were refused${of} and ${accepted} accepted; ` +
    `in the hour before, ${hourBefore.refused} and ${hourBefore.accepted}.${wait}`
  );
}

function listed({ addresses, otherAddresses }: AlertEvidence): string {
  const named = addresses.slice(0, 3).map(({ address }) => address);
  const others = otherAddresses + addresses.length - named.length;
  return named.join(', ') + (others > 0 ? ` and ${others} more` : '');
}

function mainCause(refusals: readonly RefusalEvidence[]): RefusalCause | undefined {
  return mostFrequent(refusals.map(({ cause }) => cause));
}

/** A refusal by address may also have a wrong secret. */
function mainSecretCause(
  refusals: readonly RefusalEvidence[],
  among: readonly RefusalCause[],
): RefusalCause | undefined {
  const causes = refusals.flatMap(({ cause, secretCause }) => [cause, secretCause ?? cause]);
  return mostFrequent(causes.filter((cause) => among.includes(cause)));
}

function mostFrequent<T>(items: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

/** The advice, or the note that the problem seems fixed. */
export function currentAdvice(alert: {
  readonly advice: string;
  readonly fixedSince: Date | null;
  readonly closedAt: Date | null;
}): string {
  const { advice, fixedSince, closedAt } = alert;
  if (fixedSince === null || closedAt !== null) return advice;
  const clock = fixedSince.toISOString().slice(11, 16);
  return `Seems fixed since ${clock} UTC, waiting for a genuine callback.`;
}
