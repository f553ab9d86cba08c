import type { CallToStore, KnownCall } from './job-calls.store.js';

/** A request whose client repeats it without an idempotency key if no answer arrives. */
export interface Call {
  /** SHA-256 of what equal requests have in common. */
  readonly hash: Buffer;
  /** 0 for the first request. */
  readonly retries: number;
  /** When the request began to arrive, by `performance.now()`. */
  readonly arrivedAt: number;
  /** The client has closed the connection: it gave up before the gateway has read the request. */
  isAbandoned(): boolean;
}

/** A call with the id of its new job; null: it only joins a known one. */
export interface CallToPlan extends Call {
  readonly newJobId: string | null;
}

/** The job of a call, and what is to be stored of it. */
export interface PlannedCall {
  readonly jobId: string;
  readonly isJoined: boolean;
  readonly stored: CallToStore;
}

interface Candidate {
  readonly jobId: string;
  seen: number;
  seenSeconds: number;
}

/** Later retries count as this one: a mask has 31 bits. */
const LAST_RETRY = 30;

/** A proxy may keep the connection of a request whose client gave up, and send it after the retry. */
const UNREAD_SECONDS = 10;

/**
 * Decides which calls join a known job. Retry n joins the oldest equal one that no retry n has joined: the retries of two
 * clients join two jobs, and all retries of one client the same. A request that a later retry has overtaken joins the job of
 * that retry: always if its client has gone, else if it was under way then. `calls` are in their order of arrival. Null for
 * a call that has no job.
 */
export function planCalls(
  calls: readonly CallToPlan[],
  known: readonly KnownCall[],
  now = performance.now(),
): (PlannedCall | null)[] {
  const candidates = new Map<string, Candidate[]>();
  for (const { hash, ...candidate } of known) {
    candidates.set(hash, [...(candidates.get(hash) ?? []), { ...candidate }]);
  }
  return calls.map(({ hash, retries, arrivedAt, newJobId, ...call }) => {
    const equal = candidates.get(hash.toString('hex')) ?? [];
    candidates.set(hash.toString('hex'), equal);
    const underWaySeconds = call.isAbandoned()
      ? Infinity
      : (now - arrivedAt) / 1000 + UNREAD_SECONDS;
    const joined = equal.find(
      ({ seen, seenSeconds }) =>
        isFirst(retries, seen) || (isMissing(retries, seen) && seenSeconds < underWaySeconds),
    );
    const jobId = joined?.jobId ?? newJobId;
    if (jobId === null) return null;
    const candidate = joined ?? { jobId, seen: 0, seenSeconds: 0 };
    if (joined === undefined) equal.push(candidate);
    candidate.seen |= bitOf(retries);
    candidate.seenSeconds = 0;
    const { seen } = candidate;
    return { jobId, isJoined: joined !== undefined, stored: { jobId, hash, seen } };
  });
}

/** Whether all requests of a job were earlier tries. */
function isFirst(retries: number, seen: number): boolean {
  return retries >= LAST_RETRY || seen < bitOf(retries);
}

function isMissing(retries: number, seen: number): boolean {
  return (seen & bitOf(retries)) === 0;
}

function bitOf(retries: number): number {
  return 1 << Math.min(retries, LAST_RETRY);
}
