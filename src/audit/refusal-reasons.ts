import type { RefusalCause } from './refusal.js';

/** Why callbacks are refused for one cause, and what to do. */
export interface RefusalReason {
  readonly name: string;
  /** One sentence that fits one callback and many. */
  readonly why: string;
  /** In order. `<number>` is a placeholder for the number of the key that the token names. */
  readonly remedies: readonly string[];
}

const RESTART = 'Restart the processes that receive callbacks, then re-check and accept these.';
const UNCHANGED = 'If a proxy is in between, make it forward method, headers, and body unchanged.';
const PORTAL =
  'Add the signing secret of the endpoint, from Reducto’s webhook portal, to SVIX_SECRETS beside the others.';

/** The only text about each cause: the console and the alerts use it, and docs/runbook.md repeats it. */
export const REFUSAL_REASONS: Readonly<Record<RefusalCause, RefusalReason>> = {
  address_not_allowed: {
    name: 'address not allowed',
    why: 'WEBHOOK_IP_ALLOWLIST does not contain the address of the sender.',
    remedies: [
      'If the address is your own proxy, add it to TRUSTED_PROXIES: the gateway then checks the address behind it.',
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
    remedies: ['Make your proxy forward svix-id, svix-timestamp, and svix-signature.'],
  },
  signature_stale: {
    name: 'signature stale',
    why: 'The signature is valid, but its time differs by more than five minutes from the clock of the gateway.',
    remedies: [
      'Synchronize the clock of every machine that receives callbacks (NTP).',
      'If the clocks are correct, a queue or a proxy delivers callbacks too late, or an attacker replays recorded ones.',
    ],
  },
  signature_invalid: {
    name: 'signature invalid',
    why: 'No secret in SVIX_SECRETS matches the signature.',
    remedies: [
      PORTAL,
      'If SVIX_SECRETS has it already, a proxy changes the bodies: the signature covers their exact bytes.',
      RESTART,
    ],
  },
  svix_not_configured: {
    name: 'Svix not configured',
    why: 'Svix signed it, but SVIX_SECRETS is empty in the process that received it.',
    remedies: [PORTAL, RESTART],
  },
  token_missing: {
    name: 'token missing',
    why: 'The callback has neither a signature nor the token that the gateway gave the job.',
    remedies: [
      'If Svix delivers the callbacks, make your proxy forward svix-id, svix-timestamp, and svix-signature.',
      'Check whether a proxy rewrites the bodies, or Reducto no longer sends back the metadata of a job: they hold the token.',
      'Ignore it if the job was submitted to Reducto without the gateway: such a job has no token.',
    ],
  },
  token_invalid: {
    name: 'token invalid',
    why: 'No key in TOKEN_KEYS made the token, or the token belongs to another job.',
    remedies: [
      'If TOKEN_KEYS was changed, put the old key back behind the new one, TOKEN_KEYS=<new key>,<number>:<old key>, in all processes. Remove it when the jobs that were submitted with it have ended.',
      'If it was not changed, give all processes the same TOKEN_KEYS.',
      RESTART,
    ],
  },
  job_unknown: {
    name: 'job unknown',
    why: 'This database has no such job.',
    remedies: [
      'If DATABASE_URL was changed, correct it. If a backup was restored, the jobs after it are missing.',
      'Otherwise another environment has the same TOKEN_KEYS: give each one its own TOKEN_KEYS and PUBLIC_URL.',
    ],
  },
  upstream_id_mismatch: {
    name: 'upstream ID mismatch',
    why: 'The gateway knows the job under another upstream ID.',
    remedies: [
      'Check whether REDUCTO_BASE_URL was changed while jobs were open, or two environments work on copies of one database.',
      'If neither, Reducto’s callbacks have changed: set GUARD_JOB_ID=observe to accept them, and update the gateway.',
      'The reconciler polls the job in any case.',
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
