import type { RecentRefusal } from '../audit/recent-refusals.js';
import type { AssertedJob } from '../jobs/awaiting-callback.service.js';
import type { AssertedState, RefusalEvidence } from './detection-input.js';

/** What the gateway knows about the jobs and senders of refused callbacks. */
export interface KnownState {
  readonly jobs: readonly AssertedJob[];
  /** Ids of the jobs for which a callback was accepted. */
  readonly jobsWithCallback: ReadonlySet<string>;
  /** Addresses of the latest accepted callbacks. */
  readonly senders: ReadonlySet<string>;
  readonly now: Date;
}

/** Maximum delay of a callback after the end of its job. */
const MAX_DELAY_MILLISECONDS = 60_000;
/** Maximum delay of a callback after a poll found the job finished. */
const MAX_DELAY_AFTER_POLL_MILLISECONDS = 10_000;
/** Maximum time by which a callback precedes the status at Reducto. */
const MAX_LEAD_MILLISECONDS = 5000;
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
  known: KnownState,
): RefusalEvidence[] {
  const jobs = new Map<string, AssertedJob>();
  for (const job of known.jobs) {
    jobs.set(job.id, job);
    if (job.upstreamId !== null) jobs.set(job.upstreamId, job);
  }
  return refusals.flatMap((refusal) => {
    const { ids, upstreamIds } = assertedIds(refusal);
    const asserted = [...ids, ...upstreamIds];
    const job = asserted.flatMap((id) => jobs.get(id) ?? [])[0];
    const [firstId] = asserted;
    const at = momentOf(refusal, job);
    const secret = secretOf(refusal);
    const unknown: AssertedState | undefined =
      firstId === undefined ? undefined : { id: firstId, state: 'unknown' };
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

function stateOf(
  job: AssertedJob,
  at: Date,
  { jobsWithCallback, now }: KnownState,
): AssertedState | undefined {
  if (jobsWithCallback.has(job.id)) return undefined;
  const { id, endedAt, foundEnded, foundOpenAt } = job;
  if (endedAt === null) {
    const stillRuns =
      foundOpenAt !== null && foundOpenAt.getTime() > at.getTime() + MAX_LEAD_MILLISECONDS;
    return stillRuns ? undefined : { id, state: 'waiting' };
  }
  if (endedAt.getTime() < at.getTime() - MAX_DELAY_MILLISECONDS) return undefined;
  const mayStillCome = now.getTime() - endedAt.getTime() < MAX_DELAY_AFTER_POLL_MILLISECONDS;
  return { id, state: foundEnded && !mayStillCome ? 'ended' : 'waiting' };
}
