import { REFUSAL_REASONS, remediesFor } from '../audit/refusal-reasons.js';
import type { RefusalCause } from '../audit/refusal.js';
import { isPrivateAddress } from '../platform/config/private-host.js';
import type { DetectedKind } from './alert-kinds.js';
import type { AlertEvidence, Installed, RefusalEvidence } from './detection-input.js';

export interface AlertText {
  readonly message: string;
  readonly advice: string;
}

/** What is wrong and what to do, for somebody who is woken by it: the settings by their names. */
export function describeAlert(
  kind: DetectedKind,
  alertEvidence: AlertEvidence,
  traces: readonly RefusalEvidence[],
  installed: Installed,
): AlertText {
  const { what, advice } = explain(kind, alertEvidence, traces, installed);
  return { message: `${what} ${numbers(kind, alertEvidence)}`, advice };
}

/** @param entry the entry that is not right, or that recorded what was found */
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
  traces: readonly RefusalEvidence[],
  installed: Installed,
): Explanation {
  switch (kind) {
    case 'source_address':
      return sourceAddress(alertEvidence, traces);
    case 'token_key':
      return tokenKey(alertEvidence, traces, installed);
    case 'svix_secret':
      return svixSecret(traces, installed);
    case 'clock':
      return byReason('signature_stale');
    case 'form':
      return form(traces, installed);
    case 'job_unknown':
      return byReason('job_unknown');
    case 'upstream_id':
      return byReason('upstream_id_mismatch');
    case 'attack':
      return {
        what: `Strangers send callbacks in which nothing is right; the main addresses are ${listed(alertEvidence)}.`,
        advice:
          'Nothing in the gateway has to be changed: they are refused. If it goes on, block these addresses before the gateway, and set WEBHOOK_IP_ALLOWLIST where it is empty.',
      };
  }
}

const REFUSED = 'Callbacks that are probably genuine are refused.';

/** What the table says about `cause`, with what is known of these refusals. */
function byReason(cause: RefusalCause, detail = '', advice = remediesFor(cause)): Explanation {
  const what = [REFUSED, REFUSAL_REASONS[cause].why, detail].filter((text) => text !== '');
  return { what: what.join(' '), advice: advice.join(' ') };
}

function sourceAddress(
  alertEvidence: AlertEvidence,
  traces: readonly RefusalEvidence[],
): Explanation {
  const right = traces.some(({ secret }) => secret === 'right');
  const proxy = traces.some(({ forwarded, address }) => forwarded || isPrivateAddress(address));
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
  traces: readonly RefusalEvidence[],
  { webhookMode, tokenKeys }: Installed,
): Explanation {
  if (mainSecretCause(traces, ['token_invalid', 'token_missing']) === 'token_missing') {
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

function svixSecret(traces: readonly RefusalEvidence[], { svixSecrets }: Installed): Explanation {
  const causes = ['signature_invalid', 'svix_not_configured', 'signature_incomplete'] as const;
  const cause = mainSecretCause(traces, causes) ?? 'signature_invalid';
  const number = `SVIX_SECRETS of this process has ${svixSecrets}.`;
  return byReason(cause, cause === 'signature_incomplete' ? '' : number);
}

function form(traces: readonly RefusalEvidence[], { webhookMaxBytes }: Installed): Explanation {
  const cause = mainCause(traces) ?? 'not_json';
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

function mainCause(traces: readonly RefusalEvidence[]): RefusalCause | undefined {
  return mostFrequent(traces.map(({ cause }) => cause));
}

/** A refused address may have hidden that the secret is wrong too. */
function mainSecretCause(
  traces: readonly RefusalEvidence[],
  among: readonly RefusalCause[],
): RefusalCause | undefined {
  const causes = traces.flatMap(({ cause, secretCause }) => [cause, secretCause ?? cause]);
  return mostFrequent(causes.filter((cause) => among.includes(cause)));
}

function mostFrequent<T>(items: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

/** What was advised has been done, it seems: then there is nothing to do but to wait. */
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
