import type { RefusalDto } from '../../admin/refusal.dto.js';
import { REFUSAL_REASONS, remediesFor } from '../../audit/refusal-reasons.js';
import type { GuardName, RefusalCause, Verdict } from '../../audit/refusal.js';

/** Why a callback was refused, and what to do about it. */
export interface RefusalHelp {
  readonly why: string;
  readonly likely: string | undefined;
  readonly remedies: readonly string[];
}

export const GUARD_NAMES: Readonly<
  Record<GuardName, { readonly name: string; readonly question: string }>
> = {
  source_ip: { name: 'Source IP', question: 'May this address send callbacks?' },
  well_formed: { name: 'Well-formed', question: 'Is it shaped like a callback?' },
  secret: {
    name: 'Secret',
    question: 'Does it hold the token of the job, or a signature with the secret?',
  },
  job_id: { name: 'Job ID', question: 'Did this gateway submit the job, under this upstream ID?' },
};

/** `undefined` for a cause that this version does not know. */
export function explainRefusal(refusal: RefusalDto): RefusalHelp | undefined {
  const { cause } = refusal;
  if (!isCause(cause)) return undefined;
  return {
    why: REFUSAL_REASONS[cause].why,
    likely: likelihood(refusal),
    remedies: remediesFor(cause, triedKey(refusal)),
  };
}

/** Whether the callback is genuine, as far as the secret proves it. */
function likelihood({ kind, verdicts }: RefusalDto): string | undefined {
  if (kind === 'counted') return undefined;
  return verdicts?.secret.result === 'pass'
    ? 'The secret is valid: this is very likely a genuine callback.'
    : 'No valid secret proves it. If no job waits for this callback, a scanner or an attacker sent it: ignore it.';
}

/** The number of the key that a token names. */
export function triedKey({ verdicts }: RefusalDto): number | undefined {
  const secret = verdicts?.secret;
  const detail = secret !== undefined && 'detail' in secret ? secret.detail : undefined;
  const number = /^token key (\d+)$/.exec(detail ?? '')?.[1];
  return number === undefined ? undefined : Number(number);
}

export function causeName(cause: string): string {
  return isCause(cause) ? REFUSAL_REASONS[cause].name : cause;
}

export function isCause(cause: string): cause is RefusalCause {
  return Object.hasOwn(REFUSAL_REASONS, cause);
}

/** A verdict in plain words. */
export function verdictLabel(verdict: Verdict): string {
  switch (verdict.result) {
    case 'pass':
      return verdict.detail === 'no allowlist'
        ? 'Passed: the allowlist is empty, so any address may.'
        : verdict.detail === undefined
          ? 'Passed.'
          : `Passed, by ${verdict.detail}.`;
    case 'fail':
    case 'observed': {
      const tried = verdict.detail === undefined ? '' : ` (tried: ${verdict.detail})`;
      const outcome =
        verdict.result === 'fail' ? 'Refused' : 'Would refuse, but the guard only observes';
      return `${outcome}: ${causeName(verdict.cause)}${tried}.`;
    }
    case 'not_checked':
      return 'Not checked: an earlier guard refused.';
  }
}
