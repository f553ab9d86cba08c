import { REFUSAL_REASONS, remediesFor } from '../audit/refusal-reasons.js';
import type { RefusalCause } from '../audit/refusal.js';
import { isPrivateAddress } from '../platform/config/private-host.js';
import type { UnhealthyEndpoints } from '../deliveries/deliveries-admin.service.js';
import type { DetectedKind, EndpointKind } from './alert-kinds.js';
import type { AlertEvidence, InstalledSettings, RefusalEvidence } from './detection-input.js';

export interface AlertText {
  readonly message: string;
  readonly advice: string;
}

/** The problem and the remedy for operators, with the names of settings. */
export function describeAlert(
  kind: DetectedKind,
  alertEvidence: AlertEvidence,
  refusals: readonly RefusalEvidence[],
  installed: InstalledSettings,
): AlertText {
  const { problem, advice } = explain(kind, alertEvidence, refusals, installed);
  return { message: `${problem} ${countsText(kind, alertEvidence)}`, advice };
}

/** @param entry the changed entry, or the one that recorded the tampering */
export function describeTampering(reason: string, entry: string | undefined): AlertText {
  const where = entry === undefined ? '' : ` (entry ${entry})`;
  return {
    message: `The audit was tampered with: ${reason}${where}.`,
    advice:
      'If a backup was restored, or a failover lost commits, restart all processes. Otherwise treat it as an intrusion: run “gateway audit verify --since <head>” with the last “audit head” line of the log from before, change the password of the database, and keep its files. See docs/audit.md.',
  };
}

export function describeRefusedKey(status: number): AlertText {
  return {
    message: `Reducto refuses the API key (${status}): submits and polls wait.`,
    advice:
      'Keys expire. Jobs wait until their maximum age. Create a key in Reducto’s console, set REDUCTO_API_KEY, and restart all processes. “gateway doctor” checks the key. See docs/runbook.md#api_key.',
  };
}

/** The endpoints that need attention, and what to do. */
export function describeEndpoints(kind: EndpointKind, found: UnhealthyEndpoints): AlertText {
  const services = servicesOf(found);
  const names = services.slice(0, MAX_NAMES).join(', ');
  const more = services.length > MAX_NAMES ? `, and ${services.length - MAX_NAMES} more` : '';
  const number = found.count === 1 ? '1 endpoint' : `${found.count} endpoints`;
  const since = found.since?.toISOString().slice(0, 16).replace('T', ' ') ?? '';
  return ENDPOINT_TEXTS[kind](`${number} of ${names}${more}`, `${since} UTC`);
}

/** In alphabetical order. */
export function servicesOf({ endpoints }: UnhealthyEndpoints): string[] {
  return [...new Set(endpoints.map(({ service }) => service))].toSorted();
}

const MAX_NAMES = 10;

const ENDPOINT_TEXTS: Readonly<
  Record<EndpointKind, (endpoints: string, since: string) => AlertText>
> = {
  endpoint_failing: (endpoints, since) => ({
    message: `Events do not reach ${endpoints}: the receivers have failed for more than an hour, the first since ${since}.`,
    advice:
      'Tell the services. The attempts say why; the gateway retries, and disables an endpoint after ENDPOINT_DISABLE_AFTER_HOURS of failure. See docs/runbook.md#endpoint_failing.',
  }),
  endpoint_disabled: (endpoints, since) => ({
    message: `The gateway disabled ${endpoints}, the first on ${since}: the receivers failed for too long or answered 410.`,
    advice:
      'Tell the services. Their events are kept for EVENT_RETENTION_DAYS. Once the receiver works, enable the endpoint, which also sends what it has missed; or delete it. See docs/runbook.md#endpoint_disabled.',
  }),
  deliveries_overdue: (endpoints, since) => ({
    message: `Events for ${endpoints} wait, although the receivers accept events; the first is due since ${since}.`,
    advice:
      'The workers do not keep up, or a receiver is slow or has a low rate limit. See docs/runbook.md#deliveries_overdue.',
  }),
};

interface Explanation {
  readonly problem: string;
  readonly advice: string;
}

function explain(
  kind: DetectedKind,
  alertEvidence: AlertEvidence,
  refusals: readonly RefusalEvidence[],
  installed: InstalledSettings,
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
        problem: `Forged callbacks are arriving, mainly from ${addressList(alertEvidence)}.`,
        advice:
          'The gateway refuses them, so no setting needs a change. If they continue, block these addresses in front of the gateway, and set WEBHOOK_IP_ALLOWLIST if it is empty.',
      };
  }
}

const REFUSED = 'Callbacks that are probably genuine are refused.';

/** The text of `REFUSAL_REASONS` about `cause`, with details of these refusals. */
function byReason(cause: RefusalCause, detail = '', advice = remediesFor(cause)): Explanation {
  const problem = [REFUSED, REFUSAL_REASONS[cause].why, detail].filter((text) => text !== '');
  return { problem: problem.join(' '), advice: advice.join(' ') };
}

function sourceAddress(
  alertEvidence: AlertEvidence,
  refusals: readonly RefusalEvidence[],
): Explanation {
  const hasRightSecret = refusals.some(({ secret }) => secret === 'right');
  const isProxy = refusals.some(({ forwarded, address }) => forwarded || isPrivateAddress(address));
  const secret = hasRightSecret ? 'Their secret is right.' : 'Their secret is not right either.';
  const remedies = remediesFor('address_not_allowed');
  return byReason(
    'address_not_allowed',
    `They come from ${addressList(alertEvidence)}. ${secret}`,
    isProxy ? ['This looks like a proxy of your own.', ...remedies] : remedies,
  );
}

function tokenKey(
  { tried }: AlertEvidence,
  refusals: readonly RefusalEvidence[],
  { webhookMode, tokenKeys }: InstalledSettings,
): Explanation {
  if (mainSecretCause(refusals, ['token_invalid', 'token_missing']) === 'token_missing') {
    const mode = webhookMode === 'svix' ? 'WEBHOOK_MODE=svix expects signed callbacks.' : '';
    return byReason('token_missing', mode);
  }
  const versions = tried.flatMap((text) => /^token key (\d+)$/.exec(text)?.[1] ?? []);
  const missing = versions.filter((each) => !tokenKeys.includes(Number(each)));
  const [version] = missing.length > 0 ? missing : versions;
  const detail =
    version === undefined
      ? ''
      : missing.length > 0
        ? `The tokens name key ${version}, which TOKEN_KEYS of this process does not hold.`
        : `The tokens name key ${version}, which TOKEN_KEYS of this process holds: other processes have another list, or the key was replaced under its old number.`;
  return byReason('token_invalid', detail, remediesFor('token_invalid', version));
}

function svixSecret(
  refusals: readonly RefusalEvidence[],
  { svixSecrets }: InstalledSettings,
): Explanation {
  const causes = ['signature_invalid', 'svix_not_configured', 'signature_incomplete'] as const;
  const cause = mainSecretCause(refusals, causes) ?? 'signature_invalid';
  const number = `SVIX_SECRETS of this process has ${svixSecrets}.`;
  return byReason(cause, cause === 'signature_incomplete' ? '' : number);
}

function form(
  refusals: readonly RefusalEvidence[],
  { webhookMaxBytes }: InstalledSettings,
): Explanation {
  const cause = mainCause(refusals) ?? 'not_json';
  const limit = cause === 'too_large' ? `The limit is ${webhookMaxBytes} in this process.` : '';
  return byReason(cause, limit);
}

function countsText(kind: DetectedKind, alertEvidence: AlertEvidence): string {
  const { windowMinutes, refusals, jobs, accepted, waitingJobs, hourBefore } = alertEvidence;
  const forJobs = jobs === 0 ? '' : ` for ${jobs} ${jobs === 1 ? 'job' : 'jobs'}`;
  const waiting =
    kind === 'attack' ? '' : ` ${waitingJobs} ${waitingJobs === 1 ? 'job waits' : 'jobs wait'}.`;
  return (
    `In the last ${windowMinutes} minutes ${refusals} were refused${forJobs} and ${accepted} accepted; ` +
    `in the hour before, ${hourBefore.refused} and ${hourBefore.accepted}.${waiting}`
  );
}

function addressList({ addresses, otherAddresses }: AlertEvidence): string {
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
