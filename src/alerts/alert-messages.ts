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
      return {
        what: 'Callbacks are signed with the right secret, but for a time that is more than five minutes off.',
        advice:
          'Set the clock of every machine that receives callbacks (NTP). If the clocks are right, something on the way, a queue or a proxy that repeats requests, delivers callbacks too late.',
      };
    case 'form':
      return form(traces, installed);
    case 'job_unknown':
      return {
        what: 'Callbacks with a valid secret name jobs that are not in this database.',
        advice:
          'If DATABASE_URL of the processes that receive callbacks was changed, or the database was restored from a backup, correct that. Otherwise another environment has the same TOKEN_KEYS and its callbacks arrive here: give each environment its own TOKEN_KEYS and PUBLIC_URL.',
      };
    case 'upstream_id':
      return {
        what: 'Callbacks with a valid secret name jobs of ours, but under ids of Reducto’s that the gateway does not know them by.',
        advice:
          'Check whether REDUCTO_BASE_URL was changed while jobs were under way, or whether two environments work on copies of one database. If neither, Reducto’s callbacks have changed; until that is cleared up, GUARD_JOB_ID=observe lets them through.',
      };
    case 'attack':
      return {
        what: `Strangers send callbacks in which nothing is right; the main addresses are ${listed(alertEvidence)}.`,
        advice:
          'Nothing in the gateway has to be changed: they are refused. If it goes on, block these addresses before the gateway, and set WEBHOOK_IP_ALLOWLIST where it is empty.',
      };
  }
}

function sourceAddress(
  alertEvidence: AlertEvidence,
  traces: readonly RefusalEvidence[],
): Explanation {
  const from = listed(alertEvidence);
  const right = traces.some(({ secret }) => secret === 'right');
  const proxy = traces.some(({ forwarded, address }) => forwarded || isPrivateAddress(address));
  const who = right ? 'Callbacks with a valid secret' : 'Callbacks that are probably genuine';
  const also = right ? '' : ' The secret of these is not right either.';
  const asProxy = `list it in TRUSTED_PROXIES, so that the address behind it is the one that counts`;
  return {
    what: `${who} come from ${from}, which WEBHOOK_IP_ALLOWLIST does not hold.${also}`,
    advice: proxy
      ? `This looks like a proxy of your own: ${asProxy}. If Reducto itself sends from there, add it to WEBHOOK_IP_ALLOWLIST. Then restart the processes that receive callbacks.`
      : `If Reducto sends from there now, add it to WEBHOOK_IP_ALLOWLIST. If it is a proxy of your own, ${asProxy}. Then restart the processes that receive callbacks.`,
  };
}

function tokenKey(
  { tried }: AlertEvidence,
  traces: readonly RefusalEvidence[],
  { webhookMode, tokenKeys }: Installed,
): Explanation {
  if (mainSecretCause(traces, ['token_invalid', 'token_missing']) === 'token_missing') {
    return {
      what: 'Callbacks come without the token that the gateway gave their jobs.',
      advice:
        webhookMode === 'svix'
          ? 'With WEBHOOK_MODE=svix they should be signed instead: let your proxy pass on the headers svix-id, svix-timestamp and svix-signature.'
          : 'Look whether a proxy rewrites the bodies, or whether Reducto no longer sends back the metadata of a job (the token of TOKEN_KEYS travels in it). If the callbacks come through Svix, let your proxy pass on the headers svix-id, svix-timestamp and svix-signature.',
    };
  }
  const claimed = tried.flatMap((text) => /^token key (\d+)$/.exec(text)?.[1] ?? []);
  const missing = claimed.filter((version) => !tokenKeys.includes(Number(version)));
  const [old] = missing.length > 0 ? missing : claimed;
  const signed = old === undefined ? '' : ` They are signed with key ${old}.`;
  const list = `TOKEN_KEYS=<new key>,${old ?? '<number>'}:<old key>`;
  return {
    what: `The tokens of callbacks do not fit TOKEN_KEYS: it was probably changed without keeping the old key.${signed}`,
    advice:
      missing.length > 0 || old === undefined
        ? `Put the old key back behind the new one, ${list}, in all processes, and restart them. Drop it when the jobs from before have ended.`
        : `TOKEN_KEYS of this process has a key ${old}. So the processes that receive callbacks have another list, or the key was replaced under its old number: give all processes the same list, with the old key under its number and the new one under a number of its own, ${list}.`,
  };
}

function svixSecret(traces: readonly RefusalEvidence[], { svixSecrets }: Installed): Explanation {
  const causes = ['signature_invalid', 'svix_not_configured', 'signature_incomplete'] as const;
  const portal =
    'Copy the signing secret of the endpoint from Reducto’s webhook portal into SVIX_SECRETS';
  switch (mainSecretCause(traces, causes)) {
    case 'svix_not_configured':
      return {
        what: 'Callbacks are signed by Svix, but SVIX_SECRETS is empty where they are received.',
        advice: `${portal} of the processes that receive callbacks, and restart them.`,
      };
    case 'signature_incomplete':
      return {
        what: 'Callbacks come with only a part of the headers of Svix.',
        advice:
          'Let your proxy pass on the headers svix-id, svix-timestamp and svix-signature as they are.',
      };
    default:
      return {
        what: `Callbacks are signed by Svix, but with none of the secrets in SVIX_SECRETS (${svixSecrets} in this process).`,
        advice: `${portal}, beside those that are there, and restart the processes that receive callbacks. If it is there, a proxy changes the bodies: the signature is over their very bytes.`,
      };
  }
}

function form(traces: readonly RefusalEvidence[], { webhookMaxBytes }: Installed): Explanation {
  const rewritten =
    'A proxy probably rewrites them: let it pass on method, headers and body as they are.';
  switch (mainCause(traces)) {
    case 'too_large':
      return {
        what: `Callbacks are larger than WEBHOOK_MAX_BYTES (${webhookMaxBytes} in this process).`,
        advice: 'Raise WEBHOOK_MAX_BYTES, and restart the processes that receive callbacks.',
      };
    case 'wrong_content_type':
      return { what: 'Callbacks do not come as application/json.', advice: rewritten };
    case 'wrong_method':
      return {
        what: 'Callbacks do not come as POST.',
        advice: `${rewritten} A redirect from http to https also turns a POST into a GET: PUBLIC_URL must be the address that answers by itself.`,
      };
    case 'not_a_callback':
      return {
        what: 'Callbacks are JSON, but not of the form {status, job_id, metadata}.',
        advice: `${rewritten} If nothing stands in between, Reducto has changed the form of its callbacks.`,
      };
    default:
      return {
        what: 'The bodies of callbacks are no JSON.',
        advice: `${rewritten} It must not compress or wrap them.`,
      };
  }
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
