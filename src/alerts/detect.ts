import { KIND_OF_CAUSE, MISCONFIGURATIONS, type Misconfiguration } from './alert-kinds.js';
import { collectAttackEvidence, collectEvidence } from './finding-evidence.js';
import type { Finding, DetectionInput, RefusalEvidence } from './detection-input.js';
import { describeAlert } from './alert-messages.js';

const MINUTE_MILLISECONDS = 60_000;

/** Short windows suit many callbacks per second, the long one a few per hour. */
const WINDOWS = [
  { minutes: 2, accepted: 'inTwoMinutes' },
  { minutes: 10, accepted: 'inTenMinutes' },
  { minutes: 60, accepted: 'inSixtyMinutes' },
] as const;

type Window = (typeof WINDOWS)[number];

/** Jobs with a refused callback from which coincidence is ruled out. */
const MANY_JOBS = 3;
/** While no callback is accepted, two jobs suffice, or one with repeated callbacks. */
const FEW_JOBS = 2;
const REPEATS = 3;
/** A lower share of refusals may come from a single misconfigured sender. */
const MIN_SHARE = 0.2;
/** Time for the poll that shows whether the callback was genuine. */
const DOUBT_MILLISECONDS = 60_000;
/** With fewer expected callbacks in the window, an empty window proves nothing. */
const MIN_EXPECTED = 5;
/** Forged callbacks in ten minutes that raise an alert. */
const FORGED_CALLBACKS = 300;

/** The probable reasons of the refusals; at most one finding per kind. */
export function detect(detectionInput: DetectionInput): Finding[] {
  const found = MISCONFIGURATIONS.flatMap((kind) => misconfiguration(kind, detectionInput) ?? []);
  const forged = found.length > 0 ? undefined : attack(detectionInput);
  return forged === undefined ? found : [forged];
}

/** Waiting jobs that a refused callback named just now; only Reducto knows their ids. */
export function suspects({ refusals, now }: DetectionInput): string[] {
  const fresh = refusals.filter(
    ({ at, job }) => job?.state === 'waiting' && now.getTime() - at.getTime() <= DOUBT_MILLISECONDS,
  );
  return [...new Set(fresh.flatMap(({ job }) => job?.id ?? []))];
}

/** Maximum refusals that one sweep checks again for an alert. */
const MAX_RECHECKED = 100;

/** The newest evidence for an alert, to check it again with the current settings. */
export function evidenceFor(
  kind: Misconfiguration,
  detectionInput: DetectionInput,
): RefusalEvidence[] {
  const recent = within(ofKind(kind, detectionInput), WINDOWS[2], detectionInput.now);
  const proving = recent.filter((refusal) => isEvidence(kind, refusal, detectionInput.now));
  const found = proving.length > 0 ? proving : recent.filter((refusal) => refusal.fromKnownSender);
  const newestFirst = found.toSorted((one, other) => other.at.getTime() - one.at.getTime());
  return newestFirst.slice(0, MAX_RECHECKED);
}

function ofKind(kind: Misconfiguration, { closed, refusals }: DetectionInput): RefusalEvidence[] {
  const since = closed.get(kind)?.getTime() ?? 0;
  return refusals.filter(
    (refusal) => refusal.at.getTime() > since && kindsOf(refusal).includes(kind),
  );
}

function misconfiguration(
  kind: Misconfiguration,
  detectionInput: DetectionInput,
): Finding | undefined {
  const own = ofKind(kind, detectionInput);
  for (const window of WINDOWS) {
    const inside = within(own, window, detectionInput.now);
    const found = provenByJobs(kind, inside, window, detectionInput)
      ? inside.filter((refusal) => isEvidence(kind, refusal, detectionInput.now))
      : replaced(kind, inside, window, detectionInput);
    if (found.length === 0) continue;
    const evidence = collectEvidence(
      found,
      window.minutes,
      detectionInput.accepted[window.accepted],
      detectionInput,
    );
    return {
      kind,
      ...describeAlert(kind, evidence, found, detectionInput.installed),
      evidence,
      lastSeenAt: latest(found, detectionInput.now),
    };
  }
  return undefined;
}

/** If both the address and the secret are wrong, both need a fix. */
function kindsOf({ cause, secretCause }: RefusalEvidence): Misconfiguration[] {
  const kind = KIND_OF_CAUSE[cause];
  return secretCause === undefined ? [kind] : [kind, KIND_OF_CAUSE[secretCause]];
}

function isEvidence(
  kind: Misconfiguration,
  { job, secret, at }: RefusalEvidence,
  now: Date,
): boolean {
  if (job === undefined) return false;
  if (job.state === 'unknown') return kind === 'job_unknown' && secret === 'right';
  if (job.state === 'ended' || secret === 'right') return true;
  return now.getTime() - at.getTime() >= DOUBT_MILLISECONDS;
}

function provenByJobs(
  kind: Misconfiguration,
  inside: readonly RefusalEvidence[],
  window: Window,
  { accepted, now }: DetectionInput,
): boolean {
  const evidence = inside.filter((refusal) => isEvidence(kind, refusal, now));
  const jobs = jobsOf(evidence);
  if (jobs === 0) return false;
  const first = Math.min(...evidence.map(({ at }) => at.getTime()));
  const nothingAccepted = accepted.lastAt === null || accepted.lastAt.getTime() < first;
  if (kind !== 'job_unknown' && nothingAccepted) {
    if (jobs >= FEW_JOBS || evidence.length >= REPEATS) return true;
  }
  if (jobs < MANY_JOBS) return false;
  const seenEnded = jobsOf(evidence.filter(({ job }) => job?.state === 'ended'));
  if (nothingAccepted || seenEnded >= MANY_JOBS) return true;
  // In a flood of genuine callbacks, the audit only counts a part, from the same addresses.
  const senders = new Set(evidence.map(({ address }) => address));
  const onlyCounted = inside.filter(
    ({ job, count, address }) => job === undefined && count > 1 && senders.has(address),
  );
  const refused = jobs + sum(onlyCounted);
  return refused >= MIN_SHARE * (refused + accepted[window.accepted]);
}

/**
 * Without a readable callback: no callback is accepted any more, and known senders are refused about as often as
 * callbacks were accepted before. A proxy rewrites bodies, or a flood displaced the evidence.
 */
function replaced(
  kind: Misconfiguration,
  inside: readonly RefusalEvidence[],
  { minutes, accepted: name }: Window,
  { accepted, waitingJobs, totals }: DetectionInput,
): readonly RefusalEvidence[] {
  const usual = (inAnHour: number): number => (inAnHour * minutes) / 60;
  const expected = usual(accepted.hourBefore);
  if (accepted[name] > 0 || waitingJobs === 0 || expected < MIN_EXPECTED) return [];
  const known = inside.filter(({ fromKnownSender }) => fromKnownSender);
  const before = totals.filter(({ cause }) => KIND_OF_CAUSE[cause] === kind);
  const refusedBefore = before.reduce((all, { hourBefore }) => all + hourBefore, 0);
  const jumped = sum(known) >= Math.max(expected / 2, usual(refusedBefore) * 2);
  return jumped ? known : [];
}

function attack(detectionInput: DetectionInput): Finding | undefined {
  const { totals, now, open, closed } = detectionInput;
  const windowStart = now.getTime() - 10 * MINUTE_MILLISECONDS;
  // The counts still contain the refusals of a recent misconfiguration.
  const misconfigured = MISCONFIGURATIONS.some(
    (kind) => open.has(kind) || (closed.get(kind)?.getTime() ?? 0) > windowStart,
  );
  const refused = totals.reduce((all, { inTenMinutes }) => all + inTenMinutes, 0);
  if (misconfigured || refused < FORGED_CALLBACKS) return undefined;
  const evidence = collectAttackEvidence(detectionInput, refused);
  const lastSeen = Math.max(...totals.map(({ lastAt }) => lastAt.getTime()));
  return {
    kind: 'attack',
    ...describeAlert('attack', evidence, [], detectionInput.installed),
    evidence,
    lastSeenAt: new Date(Math.min(lastSeen, now.getTime())),
  };
}

function within(
  refusals: readonly RefusalEvidence[],
  { minutes }: Window,
  now: Date,
): RefusalEvidence[] {
  const from = now.getTime() - minutes * MINUTE_MILLISECONDS;
  return refusals.filter(({ at }) => at.getTime() >= from);
}

function jobsOf(refusals: readonly RefusalEvidence[]): number {
  return new Set(refusals.flatMap(({ job }) => job?.id ?? [])).size;
}

function sum(refusals: readonly RefusalEvidence[]): number {
  return refusals.reduce((all, { count }) => all + count, 0);
}

function latest(refusals: readonly RefusalEvidence[], now: Date): Date {
  const last = refusals.reduce((max, { at }) => Math.max(max, at.getTime()), 0);
  return new Date(Math.min(last, now.getTime()));
}
