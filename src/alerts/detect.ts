import { KIND_OF_CAUSE, MISCONFIGURATIONS, type Misconfiguration } from './alert-kinds.js';
import { collectAttackEvidence, collectEvidence } from './finding-evidence.js';
import type { Finding, DetectionInput, RefusalEvidence } from './detection-input.js';
import { describeAlert } from './alert-messages.js';

const MINUTE_MILLISECONDS = 60_000;

/** Short ones for a gateway with many callbacks a second, the long one for a few an hour. */
const WINDOWS = [
  { minutes: 2, accepted: 'inTwoMinutes' },
  { minutes: 10, accepted: 'inTenMinutes' },
  { minutes: 60, accepted: 'inSixtyMinutes' },
] as const;

type Window = (typeof WINDOWS)[number];

/** Jobs that were refused their callback from which on chance is ruled out. */
const MANY_JOBS = 3;
/** The same while nothing at all is accepted: one job whose callback is repeated, or two jobs. */
const FEW_JOBS = 2;
const REPEATS = 3;
/** From here on it is more than a single process or sender that has gone astray. */
const MIN_SHARE = 0.2;
/** So long a look at the job may take that tells whether the callback was genuine. */
const DOUBT_MILLISECONDS = 60_000;
/** Callbacks that should have been accepted in the window, for none at all to mean something. */
const MIN_EXPECTED = 5;
/** Refusals of strangers in ten minutes that are worth a word. */
const FORGED_CALLBACKS = 300;

/** What is probably wrong, from what was refused. At most one finding per kind. */
export function detect(detectionInput: DetectionInput): Finding[] {
  const wrong = MISCONFIGURATIONS.flatMap((kind) => misconfiguration(kind, detectionInput) ?? []);
  const strangers = wrong.length > 0 ? undefined : attack(detectionInput);
  return strangers === undefined ? wrong : [strangers];
}

/** Jobs whose callback was refused for a reason that no stranger can bring about. */
export function suspects({ refusals: traces, now }: DetectionInput): string[] {
  const fresh = traces.filter(
    ({ at, job }) => job?.state === 'waiting' && now.getTime() - at.getTime() <= DOUBT_MILLISECONDS,
  );
  return [...new Set(fresh.flatMap(({ job }) => job?.id ?? []))];
}

/** Entries that one pass judges for one alert. */
const MAX_RECHECKED = 100;

/** The newest evidence for an alert, for judging it with the settings of today. */
export function evidenceFor(
  kind: Misconfiguration,
  detectionInput: DetectionInput,
): RefusalEvidence[] {
  const recent = within(ofKind(kind, detectionInput), WINDOWS[2], detectionInput.now);
  const proving = recent.filter((trace) => isEvidence(kind, trace, detectionInput.now));
  const found = proving.length > 0 ? proving : recent.filter((trace) => trace.fromKnownSender);
  const newestFirst = found.toSorted((one, other) => other.at.getTime() - one.at.getTime());
  return newestFirst.slice(0, MAX_RECHECKED);
}

function ofKind(
  kind: Misconfiguration,
  { closed, refusals: traces }: DetectionInput,
): RefusalEvidence[] {
  const since = closed.get(kind)?.getTime() ?? 0;
  return traces.filter((trace) => trace.at.getTime() > since && kindsOf(trace).includes(kind));
}

function misconfiguration(
  kind: Misconfiguration,
  detectionInput: DetectionInput,
): Finding | undefined {
  const own = ofKind(kind, detectionInput);
  for (const window of WINDOWS) {
    const inside = within(own, window, detectionInput.now);
    const found = provenByJobs(kind, inside, window, detectionInput)
      ? inside.filter((trace) => isEvidence(kind, trace, detectionInput.now))
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

/** Where the address and the secret are wrong, both are to be put right. */
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
  const evidence = inside.filter((trace) => isEvidence(kind, trace, now));
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
  // A flood of genuine ones is kept in part and counted in part, from the same addresses.
  const senders = new Set(evidence.map(({ address }) => address));
  const onlyCounted = inside.filter(
    (trace) => trace.job === undefined && trace.count > 1 && senders.has(trace.address),
  );
  const refused = jobs + sum(onlyCounted);
  return refused >= MIN_SHARE * (refused + accepted[window.accepted]);
}

/**
 * Nothing readable, but known senders are refused about as often as callbacks used to be accepted, and none
 * is accepted any more: the case of bodies that a proxy has rewritten, and of evidence lost in a flood.
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
  const lately = now.getTime() - 10 * MINUTE_MILLISECONDS;
  // What is left of a misconfiguration in the counts is not the work of strangers.
  const polling = MISCONFIGURATIONS.some(
    (kind) => open.has(kind) || (closed.get(kind)?.getTime() ?? 0) > lately,
  );
  const refused = totals.reduce((all, { inTenMinutes }) => all + inTenMinutes, 0);
  if (polling || refused < FORGED_CALLBACKS) return undefined;
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
  traces: readonly RefusalEvidence[],
  { minutes }: Window,
  now: Date,
): RefusalEvidence[] {
  const from = now.getTime() - minutes * MINUTE_MILLISECONDS;
  return traces.filter(({ at }) => at.getTime() >= from);
}

function jobsOf(traces: readonly RefusalEvidence[]): number {
  return new Set(traces.flatMap(({ job }) => job?.id ?? [])).size;
}

function sum(traces: readonly RefusalEvidence[]): number {
  return traces.reduce((all, { count }) => all + count, 0);
}

function latest(traces: readonly RefusalEvidence[], now: Date): Date {
  const last = traces.reduce((most, { at }) => Math.max(most, at.getTime()), 0);
  return new Date(Math.min(last, now.getTime()));
}
