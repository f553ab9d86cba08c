import { KIND_OF_CAUSE } from './alert-kinds.js';
import type { AlertEvidence, DetectionInput, RefusalEvidence } from './detection-input.js';

const MAX_ADDRESSES = 5;
const MAX_EXAMPLES = 5;
/** Window of an attack. */
const ATTACK_MINUTES = 10;

/** The evidence of a finding. */
export function collectEvidence(
  refusals: readonly RefusalEvidence[],
  windowMinutes: number,
  accepted: number,
  { accepted: counts, waitingJobs, totals }: DetectionInput,
): AlertEvidence {
  const causes = tally(refusals, ({ cause }) => cause);
  const jobs = [...new Set(refusals.flatMap(({ job }) => job?.id ?? []))];
  const kinds = new Set(refusals.map(({ cause }) => KIND_OF_CAUSE[cause]));
  const ofSameKinds = totals.filter(({ cause }) => kinds.has(KIND_OF_CAUSE[cause]));
  return {
    windowMinutes,
    refusals: [...causes.values()].reduce((all, count) => all + count, 0),
    jobs: jobs.length,
    accepted,
    waitingJobs,
    hourBefore: {
      accepted: counts.hourBefore,
      refused: ofSameKinds.reduce((all, { hourBefore }) => all + hourBefore, 0),
    },
    causes: Object.fromEntries(causes),
    ...mainAddresses(refusals),
    tried: [...new Set(refusals.flatMap(({ tried }) => tried ?? []))].slice(0, MAX_EXAMPLES),
    exampleJobs: jobs.slice(0, MAX_EXAMPLES),
  };
}

/** The evidence of an attack: all refusals of ten minutes. */
export function collectAttackEvidence(
  detectionInput: DetectionInput,
  refused: number,
): AlertEvidence {
  const { totals, accepted, refusals, now } = detectionInput;
  const recent = refusals.filter(
    ({ at }) => now.getTime() - at.getTime() <= ATTACK_MINUTES * 60_000,
  );
  const causes = totals.filter(({ inTenMinutes }) => inTenMinutes > 0);
  return {
    ...collectEvidence(recent, ATTACK_MINUTES, accepted.inTenMinutes, detectionInput),
    refusals: refused,
    jobs: 0,
    causes: Object.fromEntries(causes.map(({ cause, inTenMinutes }) => [cause, inTenMinutes])),
    tried: [],
    exampleJobs: [],
  };
}

function mainAddresses(
  refusals: readonly RefusalEvidence[],
): Pick<AlertEvidence, 'addresses' | 'otherAddresses'> {
  const ranked = [...tally(refusals, ({ address }) => address)].toSorted(([, a], [, b]) => b - a);
  const addresses = ranked.slice(0, MAX_ADDRESSES).map(([address, count]) => ({
    address,
    refusals: count,
    secret: verdictOn(refusals.filter((refusal) => refusal.address === address)),
  }));
  return { addresses, otherAddresses: ranked.length - addresses.length };
}

function verdictOn(refusals: readonly RefusalEvidence[]): RefusalEvidence['secret'] {
  const has = (verdict: RefusalEvidence['secret']): boolean =>
    refusals.some(({ secret }) => secret === verdict);
  if (has('right')) return 'right';
  return has('wrong') ? 'wrong' : 'unknown';
}

function tally(
  refusals: readonly RefusalEvidence[],
  keyOf: (refusal: RefusalEvidence) => string,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const refusal of refusals) {
    const key = keyOf(refusal);
    counts.set(key, (counts.get(key) ?? 0) + refusal.count);
  }
  return counts;
}
