import { KIND_OF_CAUSE } from './alert-kinds.js';
import type { Figures, Situation, Trace } from './situation.js';

const MOST_ADDRESSES = 5;
const MOST_EXAMPLES = 5;

/** The numbers behind a finding of `traces`. */
export function figuresOf(
  traces: readonly Trace[],
  windowMinutes: number,
  accepted: number,
  { accepted: counts, waitingJobs, totals }: Situation,
): Figures {
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
    tried: [...new Set(traces.flatMap(({ tried }) => tried ?? []))].slice(0, MOST_EXAMPLES),
    exampleJobs: jobs.slice(0, MOST_EXAMPLES),
  };
}

/** Of everything that was refused in ten minutes. */
export function attackFigures(situation: Situation, refused: number): Figures {
  const { totals, accepted, traces, now } = situation;
  const recent = traces.filter(({ at }) => now.getTime() - at.getTime() <= 600_000);
  const causes = totals.filter(({ inTenMinutes }) => inTenMinutes > 0);
  return {
    ...figuresOf(recent, 10, accepted.inTenMinutes, situation),
    refusals: refused,
    jobs: 0,
    causes: Object.fromEntries(causes.map(({ cause, inTenMinutes }) => [cause, inTenMinutes])),
    tried: [],
    exampleJobs: [],
  };
}

function mainAddresses(traces: readonly Trace[]): Pick<Figures, 'addresses' | 'otherAddresses'> {
  const ranked = [...tally(traces, ({ address }) => address)].toSorted(([, a], [, b]) => b - a);
  const addresses = ranked.slice(0, MOST_ADDRESSES).map(([address, refusals]) => ({
    address,
    refusals,
    secret: verdictOn(traces.filter((trace) => trace.address === address)),
  }));
  return { addresses, otherAddresses: ranked.length - addresses.length };
}

function verdictOn(traces: readonly Trace[]): Trace['secret'] {
  const has = (verdict: Trace['secret']): boolean =>
    traces.some(({ secret }) => secret === verdict);
  if (has('right')) return 'right';
  return has('wrong') ? 'wrong' : 'unknown';
}

function tally(traces: readonly Trace[], by: (trace: Trace) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const trace of traces) {
    counts.set(by(trace), (counts.get(by(trace)) ?? 0) + trace.count);
  }
  return counts;
}
