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

/** Fewer jobs with a refused callback may be a coincidence. */
const MIN_JOBS = 3;
/** While no callback is accepted, two jobs suffice, or one with repeated callbacks. */
const MIN_JOBS_IF_NONE_ACCEPTED = 2;
const MIN_REPEATS_IF_NONE_ACCEPTED = 3;
/** A lower share of refusals may come from a single misconfigured sender. */
const MIN_SHARE = 0.2;
/** Time until a poll has shown whether the callback was genuine. */
const POLL_MILLISECONDS = 60_000;
/** With fewer expected callbacks in the window, an empty window proves nothing. */
const MIN_EXPECTED = 5;
/** Minimum number of forged callbacks in ten minutes for an alert. */
const MIN_FORGED = 300;

/** The probable reasons of the refusals; at most one finding per kind. */
export function detect(detectionInput: DetectionInput): Finding[] {
  const found = MISCONFIGURATIONS.flatMap(
    (kind) => detectMisconfiguration(kind, detectionInput) ?? [],
  );
  const attack = found.length > 0 ? undefined : detectAttack(detectionInput);
  return attack === undefined ? found : [attack];
}

/** Waiting jobs that a refused callback just named; only Reducto knows their ids. */
export function jobsToExpedite({ refusals, now }: DetectionInput): string[] {
  const recent = refusals.filter(
    ({ at, job }) => job?.state === 'waiting' && now.getTime() - at.getTime() <= POLL_MILLISECONDS,
  );
  return [...new Set(recent.flatMap(({ job }) => job?.id ?? []))];
}

/** Maximum refusals of an alert that one sweep re-checks. */
const MAX_RECHECKED = 100;

/** The newest evidence for an alert, for a re-check with the current settings. */
export function evidenceFor(
  kind: Misconfiguration,
  detectionInput: DetectionInput,
): RefusalEvidence[] {
  const recent = inWindow(ofKind(kind, detectionInput), WINDOWS[2], detectionInput.now);
  const evidence = recent.filter((refusal) => isEvidence(kind, refusal, detectionInput.now));
  const found =
    evidence.length > 0 ? evidence : recent.filter((refusal) => refusal.fromKnownSender);
  const newestFirst = found.toSorted((one, other) => other.at.getTime() - one.at.getTime());
  return newestFirst.slice(0, MAX_RECHECKED);
}

function ofKind(kind: Misconfiguration, { closed, refusals }: DetectionInput): RefusalEvidence[] {
  const since = closed.get(kind)?.getTime() ?? 0;
  return refusals.filter(
    (refusal) => refusal.at.getTime() > since && kindsOf(refusal).includes(kind),
  );
}

function detectMisconfiguration(
  kind: Misconfiguration,
  detectionInput: DetectionInput,
): Finding | undefined {
  const allOfKind = ofKind(kind, detectionInput);
  for (const window of WINDOWS) {
    const refusals = inWindow(allOfKind, window, detectionInput.now);
    const found = isProvenByJobs(kind, refusals, window, detectionInput)
      ? refusals.filter((refusal) => isEvidence(kind, refusal, detectionInput.now))
      : refusedInsteadOfAccepted(kind, refusals, window, detectionInput);
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
      lastSeenAt: latestAt(found, detectionInput.now),
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
  return now.getTime() - at.getTime() >= POLL_MILLISECONDS;
}

function isProvenByJobs(
  kind: Misconfiguration,
  refusals: readonly RefusalEvidence[],
  window: Window,
  { accepted, now }: DetectionInput,
): boolean {
  const evidence = refusals.filter((refusal) => isEvidence(kind, refusal, now));
  const jobs = countJobs(evidence);
  if (jobs === 0) return false;
  const first = Math.min(...evidence.map(({ at }) => at.getTime()));
  const noneAccepted = accepted.lastAt === null || accepted.lastAt.getTime() < first;
  if (kind !== 'job_unknown' && noneAccepted) {
    if (jobs >= MIN_JOBS_IF_NONE_ACCEPTED || evidence.length >= MIN_REPEATS_IF_NONE_ACCEPTED)
      return true;
  }
  if (jobs < MIN_JOBS) return false;
  const endedJobs = countJobs(evidence.filter(({ job }) => job?.state === 'ended'));
  if (noneAccepted || endedJobs >= MIN_JOBS) return true;
  // In a flood of genuine callbacks, the audit only counts some of them, from the same addresses.
  const senders = new Set(evidence.map(({ address }) => address));
  const onlyCounted = refusals.filter(
    ({ job, count, address }) => job === undefined && count > 1 && senders.has(address),
  );
  const refused = jobs + sumCounts(onlyCounted);
  return refused >= MIN_SHARE * (refused + accepted[window.accepted]);
}

/**
 * The evidence without job ids: no callback is accepted anymore, and known senders are refused about as often as
 * callbacks were accepted before. Either a proxy changes bodies, or a flood displaced the refusals that name jobs.
 */
function refusedInsteadOfAccepted(
  kind: Misconfiguration,
  refusals: readonly RefusalEvidence[],
  { minutes, accepted: name }: Window,
  { accepted, waitingJobs, totals }: DetectionInput,
): readonly RefusalEvidence[] {
  const perWindow = (perHour: number): number => (perHour * minutes) / 60;
  const expected = perWindow(accepted.hourBefore);
  if (accepted[name] > 0 || waitingJobs === 0 || expected < MIN_EXPECTED) return [];
  const fromKnownSenders = refusals.filter(({ fromKnownSender }) => fromKnownSender);
  const totalsOfKind = totals.filter(({ cause }) => KIND_OF_CAUSE[cause] === kind);
  const refusedBefore = totalsOfKind.reduce((all, { hourBefore }) => all + hourBefore, 0);
  const minimum = Math.max(expected / 2, perWindow(refusedBefore) * 2);
  return sumCounts(fromKnownSenders) >= minimum ? fromKnownSenders : [];
}

function detectAttack(detectionInput: DetectionInput): Finding | undefined {
  const { totals, now, open, closed } = detectionInput;
  const windowStart = now.getTime() - 10 * MINUTE_MILLISECONDS;
  // The counts still contain the refusals of a recent misconfiguration.
  const misconfigured = MISCONFIGURATIONS.some(
    (kind) => open.has(kind) || (closed.get(kind)?.getTime() ?? 0) > windowStart,
  );
  const refused = totals.reduce((all, { inTenMinutes }) => all + inTenMinutes, 0);
  if (misconfigured || refused < MIN_FORGED) return undefined;
  const evidence = collectAttackEvidence(detectionInput, refused);
  const lastAt = Math.max(...totals.map(({ lastAt }) => lastAt.getTime()));
  return {
    kind: 'attack',
    ...describeAlert('attack', evidence, [], detectionInput.installed),
    evidence,
    lastSeenAt: new Date(Math.min(lastAt, now.getTime())),
  };
}

function inWindow(
  refusals: readonly RefusalEvidence[],
  { minutes }: Window,
  now: Date,
): RefusalEvidence[] {
  const from = now.getTime() - minutes * MINUTE_MILLISECONDS;
  return refusals.filter(({ at }) => at.getTime() >= from);
}

function countJobs(refusals: readonly RefusalEvidence[]): number {
  return new Set(refusals.flatMap(({ job }) => job?.id ?? [])).size;
}

function sumCounts(refusals: readonly RefusalEvidence[]): number {
  return refusals.reduce((all, { count }) => all + count, 0);
}

function latestAt(refusals: readonly RefusalEvidence[], now: Date): Date {
  const last = refusals.reduce((max, { at }) => Math.max(max, at.getTime()), 0);
  return new Date(Math.min(last, now.getTime()));
}
