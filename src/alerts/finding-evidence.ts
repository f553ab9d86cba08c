import { KIND_OF_CAUSE } from './alert-kinds.js';
import type { AlertEvidence, DetectionInput, RefusalEvidence } from './detection-input.js';

const MAX_ADDRESSES = 5;
const MAX_EXAMPLES = 5;

/** The numbers behind a finding of `traces`. */
export function collectEvidence(
  traces: readonly RefusalEvidence[],
  windowMinutes: number,
  accepted: number,
  { accepted: counts, waitingJobs, totals }: DetectionInput,
): AlertEvidence {
  const causes = tally(traces, ({ cause }) => cause);
  const jobs = [...new Set(traces.flatMap(({ job }) => job?.id ?? []))];
  const kinds = new Set(traces.map(({ cause }) => KIND_OF_CAUSE[cause]));
  const alike = totals.filter(({ cause }) => kinds.has(KIND_OF_CAUSE[cause]));
  return {
    windowMinutes,
    refusals: [...causes.values()].reduce((all, count) => all + count, 0),
    jobs: jobs.length,
    accepted,
    waitingJobs,
    hourBefore: {
      accepted: counts.hourBefore,
      refused: alike.reduce((all, { hourBefore }) => all + hourBefore, 0),
    },
    causes: Object.fromEntries(causes),
    ...mainAddresses(traces),
    tried: [...new Set(traces.flatMap(({ tried }) => tried ?? []))].slice(0, MAX_EXAMPLES),
    exampleJobs: jobs.slice(0, MAX_EXAMPLES),
  };
}

/** Of everything that was refused in ten minutes. */
export function collectAttackEvidence(
  detectionInput: DetectionInput,
  refused: number,
): AlertEvidence {
  const { totals, accepted, refusals: traces, now } = detectionInput;
  const recent = traces.filter(({ at }) => now.getTime() - at.getTime() <= 600_000);
  const causes = totals.filter(({ inTenMinutes }) => inTenMinutes > 0);
  return {
    ...collectEvidence(recent, 10, accepted.inTenMinutes, detectionInput),
    refusals: refused,
    jobs: 0,
    causes: Object.fromEntries(causes.map(({ cause, inTenMinutes }) => [cause, inTenMinutes])),
    tried: [],
    exampleJobs: [],
  };
}

function mainAddresses(
  traces: readonly RefusalEvidence[],
): Pick<AlertEvidence, 'addresses' | 'otherAddresses'> {
  const ranked = [...tally(traces, ({ address }) => address)].toSorted(([, a], [, b]) => b - a);
  const addresses = ranked.slice(0, MAX_ADDRESSES).map(([address, refusals]) => ({
    address,
    refusals,
    secret: verdictOn(traces.filter((trace) => trace.address === address)),
  }));
  return { addresses, otherAddresses: ranked.length - addresses.length };
}

function verdictOn(traces: readonly RefusalEvidence[]): RefusalEvidence['secret'] {
  const has = (verdict: RefusalEvidence['secret']): boolean =>
    traces.some(({ secret }) => secret === verdict);
  if (has('right')) return 'right';
  return has('wrong') ? 'wrong' : 'unknown';
}

function tally(
  traces: readonly RefusalEvidence[],
  by: (refusalEvidence: RefusalEvidence) => string,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const trace of traces) {
    counts.set(by(trace), (counts.get(by(trace)) ?? 0) + trace.count);
  }
  return counts;
}
