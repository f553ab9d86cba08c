import type { Case } from './case.js';
import type { FaultKind } from './fault-schedule.js';
import { MARKERS } from './job-mix.js';
import { outcomeOf, type ReportedJob } from './job-record.js';
import { recordOf } from './sandbox-control.js';

/** What is wrong with the result of a job that completed, if anything. */
export function wrongResult({ record, own }: Case): string | undefined {
  const { result, planned } = record;
  if (own?.status !== 'Completed') return `completed, though upstream it is ${own?.status}`;
  if (own.gatewayJobId !== record.ids[0])
    return `completed by ${own.id}, which is of job ${own.gatewayJobId}`;
  if (result === undefined) return 'completed, and its result could not be fetched';
  if (result.status !== 200) return `completed, and its result is answered with ${result.status}`;
  const markers = [...new Set(result.text.match(MARKERS))];
  if (markers.length !== 1 || markers[0] !== planned.marker)
    return `the result holds [${markers.join(', ')}] and not ${planned.marker}: ${result.text.slice(0, 300)}`;
  const named = jobIdIn(result.text);
  return named === undefined || named === own.gatewayJobId
    ? undefined
    : `the result names ${named} and not ${own.gatewayJobId}`;
}

/** What is wrong with the reported end of a job without a result, if anything. */
export function wrongEnd(
  { own, upstream, record }: Case,
  reported: ReportedJob,
): string | undefined {
  const outcome = outcomeOf(reported);
  const others = own === undefined ? upstream : [own];
  const is = others.map(({ status }) => status);
  switch (outcome) {
    case 'failed_upstream':
      return is.includes('Failed') ? undefined : `failed, though upstream it is ${is.join(', ')}`;
    case 'cancelled': {
      if (!record.cancelAsked) return 'cancelled, and nobody had asked for it';
      const ran = is.find((status) => status !== 'Cancelled');
      return ran === undefined ? undefined : `cancelled, though upstream it is ${ran}`;
    }
    case 'unknown_upstream':
      return `expired as unknown, though upstream it is ${is.join(', ')}`;
    case 'rejected_upstream':
    case 'source_unusable':
      return is.length === 0 ? undefined : `${outcome}, though upstream it is ${is.join(', ')}`;
    default:
      return undefined;
  }
}

/** Ends after which there need not be an upstream job. */
export function mayBeUnsent(reported: ReportedJob): boolean {
  return ['cancelled', 'rejected_upstream', 'source_unusable', 'submit_outcome_unknown'].includes(
    outcomeOf(reported),
  );
}

/** Ends that no switch of the job brings about, but a fault of the world at that time. */
export function isExplained({ evidence, record }: Case, reported: ReportedJob): boolean {
  const accepted = Date.parse(reported.createdAt);
  const ended = Date.parse(reported.endedAt ?? '');
  const met = (kinds: readonly FaultKind[], since: number): boolean =>
    evidence.injected.some(
      ({ kind, from, to }) => kinds.includes(kind) && from <= ended && to >= since,
    );
  switch (outcomeOf(reported)) {
    case 'submit_outcome_unknown':
      // The policy of the harness: a job of which the listing cannot tell is failed. It cannot tell of synchronous calls.
      return (
        record.events.some(({ type }) => type === 'submit_uncertain') &&
        (record.planned.type === 'classify' || met(NO_LISTING, accepted))
      );
    case 'rejected_upstream':
      return met(['lostRoute'], accepted);
    case 'result_unavailable':
      // A replica that was away for the grace tries once more, and that try met a fault.
      return met(NO_DOWNLOAD, ended - LONGEST_DOWNLOAD_MS);
    default:
      return false;
  }
}

/** A page with 404 instead of the listing resembles a deployment that has none. */
const NO_LISTING = ['noListing', 'lostRoute'] as const;
const NO_DOWNLOAD = ['silentUpstream', 'refuseUpstream'] as const;
const LONGEST_DOWNLOAD_MS = 6_000;

function jobIdIn(text: string): string | undefined {
  const jobId = recordOf(JSON.parse(text))['job_id'];
  return typeof jobId === 'string' ? jobId : undefined;
}
