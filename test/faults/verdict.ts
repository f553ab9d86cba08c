import { caseOf, extras, isTerminal, resubmits, twins, type Case, type Evidence } from './case.js';
import { isExplained, mayBeUnsent, wrongEnd, wrongResult } from './ends.js';
import { outcomeOf, TERMINAL, type JobRecord } from './job-record.js';
import type { UpstreamJob } from './sandbox-control.js';

/** The promises of the gateway, and what it means to break one. */
export const PROMISES = {
  lost: 'acknowledged and lost',
  twice: 'terminal twice',
  wrong: 'wrong result',
  unexpected: 'unexplained end',
  duplicate: 'unexplained duplicate upstream',
  stuck: 'stuck',
  keys: 'two jobs for one key',
  refused: 'good request refused or never taken',
  event: 'end without exactly one event',
  undelivered: 'event not delivered',
  leaked: 'event at the wrong endpoint',
  crashed: 'replica ended by itself',
} as const;

export type Promised = keyof typeof PROMISES;

export interface Violation {
  readonly promise: Promised;
  readonly what: string;
  /** The job that it is about; none where it is about a replica. */
  readonly record?: JobRecord;
  readonly upstream: readonly UpstreamJob[];
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** Upstream jobs beyond the first of a job, by what explains them. */
  readonly explainedDuplicates: { readonly bySwitch: number; readonly provenAbsent: number };
}

/** Compares the answers to services with the truth in the sandbox. */
export function judge(given: Evidence): Verdict {
  const evidence = { ...given, upstream: given.upstream.map((job) => ownedBy(given.records, job)) };
  const byGatewayId = Map.groupBy(evidence.upstream, (job) => job.gatewayJobId);
  const cases = evidence.records.map((record) => caseOf(record, byGatewayId, evidence));
  const violations = cases.flatMap((one) =>
    Object.entries(CHECKS).flatMap(([, check]) => check(one)),
  );
  const known = new Set(evidence.records.flatMap(({ ids }) => ids));
  const strays = evidence.upstream.filter(
    ({ gatewayJobId }) => gatewayJobId === undefined || !known.has(gatewayJobId),
  );
  return {
    violations: [
      ...violations,
      ...strays.map((job): Violation => {
        const what = `upstream job ${job.id} belongs to a job that no service knows`;
        return { promise: 'keys', what, upstream: [job] };
      }),
      ...evidence.surprises.map((what): Violation => ({ promise: 'crashed', what, upstream: [] })),
    ],
    explainedDuplicates: {
      bySwitch: sum(cases.map((one) => Math.min(extras(one), twins(one)))),
      provenAbsent: sum(
        cases.map((one) => Math.min(Math.max(extras(one) - twins(one), 0), resubmits(one))),
      ),
    },
  };
}

/** A synchronous call has no id of the gateway: its job is that of the same marker. */
function ownedBy(records: readonly JobRecord[], job: UpstreamJob): UpstreamJob {
  if (job.gatewayJobId !== undefined || job.marker === undefined) return job;
  const owner = records.find(
    ({ planned: { type, marker } }) => type === 'classify' && marker === job.marker,
  );
  return { ...job, gatewayJobId: owner?.ids[0] };
}

/** Events have a verdict of their own. */
type JobPromise = Exclude<Promised, 'crashed' | 'event' | 'undelivered' | 'leaked'>;

const CHECKS: Record<JobPromise, (one: Case) => Violation[]> = {
  lost(one) {
    const { record, reported } = one;
    const unknown = `the gateway answered ${record.unknownAnswers} times that there is no such job`;
    const unsent = reported !== undefined && one.upstream.length === 0 && !mayBeUnsent(reported);
    return [
      ...broken('lost', one, record.unknownAnswers > 0, unknown),
      ...broken('lost', one, isTerminal(reported) && unsent, 'it never reached upstream'),
    ];
  },

  twice(one) {
    const { first, last, events } = one.record;
    const changed = first !== undefined && last !== undefined && first.text !== last.text;
    const ends = events.filter(({ type }) => TERMINAL.includes(type)).map(({ type }) => type);
    const wrongTimeline = isTerminal(last) && (ends.length !== 1 || ends[0] !== last?.status);
    return [
      ...broken('twice', one, changed, `reported ${first?.text} first and ${last?.text} later`),
      ...broken(
        'twice',
        one,
        wrongTimeline,
        `${last?.status}, and its timeline has the ends [${ends.join(', ')}]`,
      ),
    ];
  },

  wrong(one) {
    if (one.record.last === undefined || one.reported === undefined) return [];
    const what =
      one.reported.status === 'completed' ? wrongResult(one) : wrongEnd(one, one.reported);
    return broken('wrong', one, what !== undefined, what ?? '');
  },

  unexpected(one) {
    const { reported, record } = one;
    if (reported === undefined || !isTerminal(reported)) return [];
    const outcome = outcomeOf(reported);
    const expected: readonly string[] = record.planned.expected;
    const fine = expected.includes(outcome)
      ? sourceAllows(one, outcome)
      : isExplained(one, reported);
    const what = `${outcome}, expected ${expected.join(' or ')}`;
    return broken('unexpected', one, !fine, what);
  },

  duplicate(one) {
    const unexplained = extras(one) > twins(one) + resubmits(one);
    const what = `${one.upstream.length} upstream jobs, ${twins(one)} by a switch, ${resubmits(one)} resubmits`;
    return broken('duplicate', one, unexplained, what);
  },

  stuck(one) {
    const open = one.record.ids.length > 0 && one.record.first === undefined;
    const unread = one.record.first !== undefined && one.record.last === undefined;
    return [
      ...broken('stuck', one, open, `still ${one.reported?.status ?? 'unknown'}`),
      ...broken('stuck', one, unread, 'it ended, and could not be read again after that'),
    ];
  },

  keys(one) {
    const ids = [...new Set(one.record.ids)];
    return broken('keys', one, ids.length > 1, `one key, and the jobs ${ids.join(', ')}`);
  },

  refused(one) {
    const { ids, refused } = one.record;
    const explained =
      one.record.planned.buildsOn !== undefined && one.sourceOutcome !== 'completed';
    if (refused === undefined)
      return broken('refused', one, ids.length === 0, 'the request was never accepted');
    const what = `refused with ${refused.status} ${refused.code}`;
    return broken('refused', one, ids.length > 0 || !explained, what);
  },
};

function broken(promise: Promised, one: Case, isBroken: boolean, what: string): Violation[] {
  const { record, upstream } = one;
  return isBroken ? [{ promise, what, record, upstream }] : [];
}

function sourceAllows({ sourceOutcome }: Case, outcome: string): boolean {
  return outcome !== 'source_unusable' || sourceOutcome !== 'completed';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
