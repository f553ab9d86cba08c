import type { RecentRefusal } from '../audit/recent-refusals.js';
import type { NamedJob } from '../jobs/awaiting-callback.service.js';
import type { AssertedState, RefusalEvidence } from './detection-input.js';

export interface Known {
  readonly named: readonly NamedJob[];
  /** Jobs for which a callback was accepted after all: they miss nothing. */
  readonly served: ReadonlySet<string>;
  readonly senders: ReadonlySet<string>;
  readonly now: Date;
}

/** How long after the end of a job its callback may still come. */
const LATE_MILLISECONDS = 60_000;
/** How long a genuine callback may be on its way after a look has found the job finished. */
const OVERTAKEN_MILLISECONDS = 10_000;
/** A callback may be ahead of what Reducto answers by so much. */
const AHEAD_MILLISECONDS = 5000;
/** Ids that are looked for in a body that could not be read. */
const MAX_IDS = 4;
const UUID = /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi;

/** The ids that a refusal names. Where a body is not what it should be, those that stand in it. */
export function assertedIds({ assertedJobId, assertedUpstreamId, sample }: RecentRefusal): {
  ids: string[];
  upstreamIds: string[];
} {
  const inText = [...(sample ?? '').matchAll(UUID)].slice(0, MAX_IDS).map(([id]) => id);
  return {
    ids: [
      ...(assertedJobId === null ? [] : [assertedJobId]),
      ...inText.map((id) => id.toLowerCase()),
    ],
    upstreamIds: [...(assertedUpstreamId === null ? [] : [assertedUpstreamId]), ...inText],
  };
}

/** What each refusal tells, with what is known of the job that it names. */
export function toRefusalEvidence(
  refusals: readonly RecentRefusal[],
  known: Known,
): RefusalEvidence[] {
  const jobs = new Map<string, NamedJob>();
  for (const job of known.named) {
    jobs.set(job.id, job);
    if (job.upstreamId !== null) jobs.set(job.upstreamId, job);
  }
  return refusals.flatMap((refusal) => {
    const { ids, upstreamIds } = assertedIds(refusal);
    const claims = [...ids, ...upstreamIds];
    const job = claims.flatMap((id) => jobs.get(id) ?? [])[0];
    const [claim] = claims;
    const at = momentOf(refusal, job);
    const secret = secretOf(refusal);
    const unknown: AssertedState | undefined =
      claim === undefined ? undefined : { id: claim, state: 'unknown' };
    const { cause, forwarded, tried, allowed, secretCause, wellFormed } = refusal;
    return Object.entries(refusal.addresses).map(([address, count]) => ({
      entryId: refusal.id,
      at,
      cause,
      count,
      address,
      forwarded,
      secret,
      secretCause:
        cause === 'address_not_allowed' && wellFormed && secret === 'wrong'
          ? (secretCause ?? undefined)
          : undefined,
      tried: tried ?? undefined,
      fromKnownSender: allowed || known.senders.has(address),
      job: job === undefined ? unknown : stateOf(job, at, known),
    }));
  });
}

/** None that names a job is older than the job: a clock that is behind by hours must not hide it. */
function momentOf({ at }: RecentRefusal, job: NamedJob | undefined): Date {
  return job === undefined || at > job.createdAt ? at : job.createdAt;
}

function secretOf({ secret, wellFormed }: RecentRefusal): RefusalEvidence['secret'] {
  if (secret === 'pass') return 'right';
  return wellFormed && secret === 'fail' ? 'wrong' : 'unknown';
}

function stateOf(job: NamedJob, at: Date, { served, now }: Known): AssertedState | undefined {
  if (served.has(job.id)) return undefined;
  const { id, endedAt, foundEnded, foundOpenAt } = job;
  if (endedAt === null) {
    const stillRuns =
      foundOpenAt !== null && foundOpenAt.getTime() > at.getTime() + AHEAD_MILLISECONDS;
    return stillRuns ? undefined : { id, state: 'waiting' };
  }
  if (endedAt.getTime() < at.getTime() - LATE_MILLISECONDS) return undefined;
  const overtaken = now.getTime() - endedAt.getTime() < OVERTAKEN_MILLISECONDS;
  return { id, state: foundEnded && !overtaken ? 'ended' : 'waiting' };
}
