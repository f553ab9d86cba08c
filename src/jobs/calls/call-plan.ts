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
  seenAt: number;
}

/** Later retries count as this one: a mask has 31 bits. */
const LAST_RETRY = 30;

/**
 * Decides which calls join a known job. Retry n joins the oldest equal one that no retry n has joined: the retries of two
 * clients join two jobs, and all retries of one client the same. A request that a later retry has overtaken joins the job of
 * that retry: always if its client has gone, else if it was under way before that retry could be answered. A request that
 * began later may be a new call by the program that got the answer. `calls` are in their order of arrival. Null for a call
 * that has no job.
 */
export function planCalls(
  calls: readonly CallToPlan[],
  known: readonly KnownCall[],
): (PlannedCall | null)[] {
  const candidates = new Map<string, Candidate[]>();
  for (const { hash, ...candidate } of known) {
    candidates.set(hash, [...(candidates.get(hash) ?? []), { ...candidate }]);
  }
  return calls.map(({ hash, retries, arrivedAt, newJobId, ...call }) => {
    const equal = candidates.get(hash.toString('hex')) ?? [];
    candidates.set(hash.toString('hex'), equal);
    const hasLeft = call.isAbandoned();
    const joined = equal.find(
      ({ seen, seenAt }) =>
        isFirst(retries, seen) || (isMissing(retries, seen) && (hasLeft || arrivedAt < seenAt)),
    );
    const jobId = joined?.jobId ?? newJobId;
    if (jobId === null) return null;
    const candidate = joined ?? { jobId, seen: 0, seenAt: 0 };
    if (joined === undefined) equal.push(candidate);
    candidate.seen |= bitOf(retries);
    // Nothing is answered before the transaction ends.
    candidate.seenAt = Infinity;
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
