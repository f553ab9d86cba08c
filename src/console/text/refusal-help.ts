import type { RefusalDto } from '../../admin/refusal.dto.js';
import type { GuardName, RefusalCause, Verdict } from '../../audit/refusal.js';

/** What a refusal means and what there is to do about it, for somebody who sees the first one. */
export interface RefusalHelp {
  readonly why: string;
  readonly advice: readonly string[];
}

export const CAUSE_NAMES: Readonly<Record<RefusalCause, string>> = {
  address_not_allowed: 'address not allowed',
  wrong_method: 'wrong method',
  wrong_content_type: 'wrong content type',
  too_large: 'too large',
  not_json: 'not JSON',
  not_a_callback: 'not a callback',
  signature_incomplete: 'signature incomplete',
  signature_stale: 'signature stale',
  signature_invalid: 'signature invalid',
  svix_not_configured: 'Svix not configured',
  token_missing: 'token missing',
  token_invalid: 'token invalid',
  job_unknown: 'job unknown',
  upstream_id_mismatch: 'upstream ID mismatch',
};

export const GUARD_NAMES: Readonly<
  Record<GuardName, { readonly name: string; readonly question: string }>
> = {
  source_ip: { name: 'Source IP', question: 'Does it come from an address that may call back?' },
  well_formed: { name: 'Well-formed', question: 'Is it a callback at all?' },
  secret: { name: 'Secret', question: 'Does the sender know the token or sign with the secret?' },
  job_id: { name: 'Job ID', question: 'Is it for a job that this gateway submitted?' },
};

const FORGED =
  'If no job of yours waits for it, it is a forgery or a scanner: nothing is to be done, and nothing was let in.';

type Explain = (refusal: RefusalDto) => RefusalHelp;

const REFUSAL_HELP: Readonly<Record<RefusalCause, Explain>> = {
  address_not_allowed: (refusal) => {
    const address = refusal.clientAddress ?? 'the sender';
    const secretIsRight = refusal.verdicts?.secret.result === 'pass';
    const proxied = refusal.peerAddress === refusal.clientAddress && refusal.forwardedFor !== null;
    if (!secretIsRight) {
      return {
        why: `${address} is not in WEBHOOK_IP_ALLOWLIST, and the secret is not right either. Most likely a stranger.`,
        advice: [FORGED],
      };
    }
    return {
      why: `${address} is not in WEBHOOK_IP_ALLOWLIST, but the secret is right: this is very likely a genuine callback.`,
      advice: [
        proxied
          ? `The request carries X-Forwarded-For, but ${address} is not in TRUSTED_PROXIES. If ${address} is your own proxy, add it there: the gateway then sees the sender behind it.`
          : `If Reducto calls from a new address, add ${address} to WEBHOOK_IP_ALLOWLIST.`,
        'Restart with the new setting, then re-check these refusals here and accept them.',
      ],
    };
  },
  wrong_method: ({ method }) => ({
    why: `It came as ${method ?? 'another method'}; callbacks are sent with POST.`,
    advice: [
      'Usually a browser, a health check or a scanner. Point health checks to /health/live.',
    ],
  }),
  wrong_content_type: ({ headers }) => ({
    why: `Its content type is ${headers?.['content-type'] ?? 'not JSON'}; callbacks are application/json.`,
    advice: [
      'If a proxy stands in between, see that it passes bodies and headers on unchanged.',
      FORGED,
    ],
  }),
  too_large: () => ({
    why: 'Its body is longer than WEBHOOK_MAX_BYTES, and was not read to its end.',
    advice: [
      'Callbacks are small. If genuine ones are larger than that, raise WEBHOOK_MAX_BYTES.',
      'A body that was cut off cannot be re-checked; its job is found by the reconciler.',
    ],
  }),
  not_json: () => ({
    why: 'Its body cannot be read as JSON.',
    advice: ['If a proxy stands in between, see that it does not change or cut bodies.', FORGED],
  }),
  not_a_callback: () => ({
    why: 'Its body is JSON, but not of the form of a callback: there is no job_id and status.',
    advice: [
      'If Reducto has changed the form of its callbacks, the gateway needs an update; until then jobs are found by the reconciler.',
      FORGED,
    ],
  }),
  signature_incomplete: () => ({
    why: 'It has some of the headers of a Svix signature, but not all three (id, timestamp, signature).',
    advice: ['If a proxy stands in between, let it pass the headers svix-* and webhook-*.', FORGED],
  }),
  signature_stale: () => ({
    why: 'It was signed too long before or after it came: by more than five minutes.',
    advice: [
      'See that the clock of this machine is right (NTP).',
      'A genuine message that somebody has recorded and sends again looks like this, too.',
    ],
  }),
  signature_invalid: () => ({
    why: 'No secret of SVIX_SECRETS fits its signature.',
    advice: [
      'Compare SVIX_SECRETS with the signing secret of the endpoint in Reducto’s webhook portal. During a change, list both.',
      'If a proxy stands in between, see that it does not change bodies: the signature is over the very bytes.',
      FORGED,
    ],
  }),
  svix_not_configured: () => ({
    why: 'It is signed by Svix, but SVIX_SECRETS is empty, so that the signature cannot be checked.',
    advice: [
      'Put the signing secret of the endpoint, from Reducto’s webhook portal, into SVIX_SECRETS.',
    ],
  }),
  token_missing: () => ({
    why: 'It is not signed, and its metadata does not hold the token that the gateway gave the job.',
    advice: [
      'A callback for a job that was submitted to Reducto without the gateway looks like this.',
      FORGED,
    ],
  }),
  token_invalid: (refusal) => {
    const tried = refusal.verdicts?.secret;
    const detail = tried !== undefined && 'detail' in tried ? tried.detail : undefined;
    const version = /^token key (\d+)$/.exec(detail ?? '')?.[1];
    return version === undefined
      ? {
          why: 'Its metadata holds something in the place of the token that is no token of ours.',
          advice: [FORGED],
        }
      : {
          why: `Its token says that it is made with key ${version} of TOKEN_KEYS, and does not fit that key, or there is no such key.`,
          advice: [
            `If TOKEN_KEYS was changed, put key ${version} back beside the new one (“${version}:<old>,…”), as long as jobs from before are open.`,
            'With several processes, see that all of them have the same TOKEN_KEYS.',
            'Then re-check these refusals here and accept them.',
            FORGED,
          ],
        };
  },
  job_unknown: (refusal) => ({
    why: `It names ${refusal.assertedJobId === null ? 'no job' : 'a job'} that this gateway knows; all checks before passed.`,
    advice: [
      'Do two gateways with different databases share one address or TOKEN_KEYS? Each must have its own.',
      'After a restore from a backup, jobs that came after it are missing.',
    ],
  }),
  upstream_id_mismatch: () => ({
    why: 'It is for a job of ours, but under another upstream ID than the one that Reducto gave us.',
    advice: [
      'The look at the job says how it stands: open the job below. If it is settled, nothing is to be done.',
      'If this comes often, jobs may have been submitted twice: see the timeline of the job.',
    ],
  }),
};

/** `undefined` for a cause that this version does not know. */
export function explainRefusal(refusal: RefusalDto): RefusalHelp | undefined {
  return isCause(refusal.cause) ? REFUSAL_HELP[refusal.cause](refusal) : undefined;
}

export function causeName(cause: string): string {
  return isCause(cause) ? CAUSE_NAMES[cause] : cause;
}

export function isCause(cause: string): cause is RefusalCause {
  return Object.hasOwn(CAUSE_NAMES, cause);
}

/** A verdict in plain words. */
export function verdictLabel(verdict: Verdict): string {
  switch (verdict.result) {
    case 'pass':
      return verdict.detail === 'no allowlist'
        ? 'Passed: there is no allowlist, so any address may.'
        : verdict.detail === undefined
          ? 'Passed.'
          : `Passed, by ${verdict.detail}.`;
    case 'fail':
    case 'observed': {
      const tried = verdict.detail === undefined ? '' : ` (tried: ${verdict.detail})`;
      const outcome = verdict.result === 'fail' ? 'Refused' : 'Would refuse, but only observes';
      return `${outcome}: ${causeName(verdict.cause)}${tried}.`;
    }
    case 'not_checked':
      return 'Not asked: a check before it had refused.';
  }
}
