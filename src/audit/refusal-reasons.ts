import type { RefusalCause } from './refusal.js';

/** Why callbacks are refused for one cause, and what to do. */
export interface RefusalReason {
  readonly name: string;
  /** One sentence that fits one callback and many. */
  readonly why: string;
  /** In their order. `<number>` stands for the number of the key that a token names. */
  readonly remedies: readonly string[];
}

const RESTART = 'Restart the processes that receive callbacks, then re-check and accept these.';
const UNCHANGED =
  'If a proxy is in between, let it pass on method, headers, and body without a change.';
const PORTAL =
  'Add the signing secret of the endpoint, from Reducto’s webhook portal, to SVIX_SECRETS beside the others.';

/** The only text about each cause: the console and the alerts read it, and docs/runbook.md repeats it. */
export const REFUSAL_REASONS: Readonly<Record<RefusalCause, RefusalReason>> = {
  address_not_allowed: {
    name: 'address not allowed',
    why: 'WEBHOOK_IP_ALLOWLIST does not hold the address of the sender.',
    remedies: [
      'If the address is a proxy of your own, add it to TRUSTED_PROXIES, so that the address behind it counts.',
      'If Reducto sends from the address, add it to WEBHOOK_IP_ALLOWLIST.',
      RESTART,
    ],
  },
  wrong_method: {
    name: 'wrong method',
    why: 'The method is not POST.',
    remedies: [
      UNCHANGED,
      'A redirect from http to https turns a POST into a GET: set PUBLIC_URL to the address that answers without one.',
      'If it is a health check, point it to /health/live.',
    ],
  },
  wrong_content_type: {
    name: 'wrong content type',
    why: 'The content type is not application/json.',
    remedies: [UNCHANGED],
  },
  too_large: {
    name: 'too large',
    why: 'The body is larger than WEBHOOK_MAX_BYTES, so the gateway did not read all of it.',
    remedies: [
      'Raise WEBHOOK_MAX_BYTES if genuine callbacks are larger, and restart the processes that receive callbacks.',
      'These cannot be re-checked. The reconciler polls their jobs.',
    ],
  },
  not_json: {
    name: 'not JSON',
    why: 'The body is not JSON.',
    remedies: [UNCHANGED, 'The proxy must not compress or wrap bodies.'],
  },
  not_a_callback: {
    name: 'not a callback',
    why: 'The body is JSON, but lacks job_id and status, the fields of a callback.',
    remedies: [
      UNCHANGED,
      'If none is in between, Reducto has changed the form of its callbacks: update the gateway. Until then the reconciler polls the jobs.',
    ],
  },
  signature_incomplete: {
    name: 'signature incomplete',
    why: 'Some of the headers svix-id, svix-timestamp, and svix-signature are missing.',
    remedies: ['Let your proxy pass on svix-id, svix-timestamp, and svix-signature.'],
  },
  signature_stale: {
    name: 'signature stale',
    why: 'The signature is right, but its time is more than five minutes off.',
    remedies: [
      'Set the clock of every machine that receives callbacks (NTP).',
      'If the clocks are right, a queue or a proxy delivers callbacks too late, or somebody replays recorded ones.',
    ],
  },
  signature_invalid: {
    name: 'signature invalid',
    why: 'None of the secrets in SVIX_SECRETS fits the signature.',
    remedies: [
      PORTAL,
      'If it is there, a proxy changes the bodies: the signature is over their exact bytes.',
      RESTART,
    ],
  },
  svix_not_configured: {
    name: 'Svix not configured',
    why: 'Svix signed it, but SVIX_SECRETS is empty where it was received.',
    remedies: [PORTAL, RESTART],
  },
  token_missing: {
    name: 'token missing',
    why: 'There is neither a signature nor the token that the gateway gave the job.',
    remedies: [
      'If callbacks arrive through Svix, let your proxy pass on svix-id, svix-timestamp, and svix-signature.',
      'Check whether a proxy rewrites the bodies, or Reducto no longer sends back the metadata of a job: they hold the token.',
      'A job that was submitted to Reducto without the gateway has no token: nothing is to be done.',
    ],
  },
  token_invalid: {
    name: 'token invalid',
    why: 'The token does not fit TOKEN_KEYS, or belongs to another job.',
    remedies: [
      'If TOKEN_KEYS was changed, put the old key back behind the new one, TOKEN_KEYS=<new key>,<number>:<old key>, in all processes. Remove it when the jobs from before have ended.',
      'If it was not changed, give all processes the same TOKEN_KEYS.',
      RESTART,
    ],
  },
  job_unknown: {
    name: 'job unknown',
    why: 'This database does not hold the job.',
    remedies: [
      'If DATABASE_URL was changed, correct it. After a restore from a backup, newer jobs are missing.',
      'Otherwise another environment has the same TOKEN_KEYS: give each environment its own TOKEN_KEYS and PUBLIC_URL.',
    ],
  },
  upstream_id_mismatch: {
    name: 'upstream ID mismatch',
    why: 'The gateway knows the job by another upstream ID.',
    remedies: [
      'Check whether REDUCTO_BASE_URL was changed while jobs were open, or two environments work on copies of one database.',
      'If neither, Reducto’s callbacks have changed: GUARD_JOB_ID=observe accepts them until that is resolved.',
      'The reconciler polls the job in any case: nothing is to be done for a job that has ended.',
    ],
  },
};

/** The remedies of `cause`, with the number of the key that the token names where it is known. */
export function remediesFor(cause: RefusalCause, tokenKey?: number | string): string[] {
  const { remedies } = REFUSAL_REASONS[cause];
  return tokenKey === undefined
    ? [...remedies]
    : remedies.map((remedy) => remedy.replace('<number>', String(tokenKey)));
}
