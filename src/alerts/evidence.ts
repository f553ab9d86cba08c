import type { RecentRefusal } from '../audit/recent-refusals.js';
import type { AssertedJob } from '../jobs/awaiting-callback.service.js';
import type { AssertedState, RefusalEvidence } from './detection-input.js';

export interface Known {
  readonly named: readonly AssertedJob[];
  /** Jobs for which a callback was accepted. */
  readonly served: ReadonlySet<string>;
  readonly senders: ReadonlySet<string>;
  readonly now: Date;
}

/** Maximum delay of a callback after the end of its job. */
const LATE_MILLISECONDS = 60_000;
/** Maximum delay of a callback after a poll found the job finished. */
const OVERTAKEN_MILLISECONDS = 10_000;
/** Maximum time by which a callback precedes the status at Reducto. */
const AHEAD_MILLISECONDS = 5000;
/** Maximum ids that are extracted from an unreadable body. */
const MAX_IDS = 4;
const UUID = /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi;

/** The ids that a refusal names; from an unreadable body, all ids in its text. */
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

/** Adds to each refusal what the gateway knows of its job. */
export function toRefusalEvidence(
  refusals: readonly RecentRefusal[],
  known: Known,
): RefusalEvidence[] {
  const jobs = new Map<string, AssertedJob>();
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

/** Never older than the job, so that a slow clock of a process does not hide the refusal. */
function momentOf({ at }: RecentRefusal, job: AssertedJob | undefined): Date {
  return job === undefined || at > job.createdAt ? at : job.createdAt;
}

function secretOf({ secret, wellFormed }: RecentRefusal): RefusalEvidence['secret'] {
  if (secret === 'pass') return 'right';
  return wellFormed && secret === 'fail' ? 'wrong' : 'unknown';
}

function stateOf(job: AssertedJob, at: Date, { served, now }: Known): AssertedState | undefined {
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
