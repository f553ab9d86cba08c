import type { Injected } from './faults.js';
import { outcomeOf, TERMINAL, type JobRecord, type ReportedJob } from './job-record.js';
import type { UpstreamJob } from './sandbox-control.js';

export interface Evidence {
  readonly records: readonly JobRecord[];
  readonly upstream: readonly UpstreamJob[];
  readonly injected: readonly Injected[];
  /** Ends of replicas that nobody had asked for. */
  readonly surprises: readonly string[];
}

/** What one job is judged by. */
export interface Case {
  readonly record: JobRecord;
  readonly reported: ReportedJob | undefined;
  /** The sandbox's jobs that carry the id of this one. */
  readonly upstream: readonly UpstreamJob[];
  /** The one of them that the gateway followed. */
  readonly own: UpstreamJob | undefined;
  readonly evidence: Evidence;
  /** How the job that this one builds upon ended. */
  readonly sourceOutcome: string | undefined;
}

export function caseOf(
  record: JobRecord,
  byGatewayId: ReadonlyMap<string | undefined, readonly UpstreamJob[]>,
  evidence: Evidence,
): Case {
  const [id] = record.ids;
  const upstream = id === undefined ? [] : (byGatewayId.get(id) ?? []);
  const submitted = record.events.findLast(({ type }) => type === 'submitted');
  const own = evidence.upstream.find((job) => job.id === submitted?.detail['upstreamId']);
  const source = evidence.records.find(({ planned }) => planned === record.planned.buildsOn);
  const sourceTold = source?.last ?? source?.first;
  return {
    record,
    reported: record.last ?? record.first,
    upstream,
    own,
    evidence,
    sourceOutcome: sourceTold && outcomeOf(sourceTold),
  };
}

export function extras({ upstream }: Case): number {
  return Math.max(upstream.length - 1, 0);
}

/** Second jobs that the sandbox itself made. */
export function twins({ record }: Case): number {
  return record.planned.faults.includes('submit duplicate') ? 1 : 0;
}

/** Second submits after the listing had shown that the one before made nothing. */
export function resubmits({ record }: Case): number {
  return record.events.filter(
    ({ type, detail }) => type === 'submit_resolved' && detail['found'] === false,
  ).length;
}

export function isTerminal(reported: ReportedJob | undefined): boolean {
  return reported !== undefined && TERMINAL.includes(reported.status);
}
