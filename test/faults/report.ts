import type { Injected } from './faults.js';
import { outcomeOf, type JobRecord } from './job-record.js';
import type { Receipt } from './receivers.js';
import { PROMISES, type Verdict, type Violation } from './verdict.js';

/** What a run found, for people. */
export interface RunFacts {
  readonly seed: number;
  readonly directory: string;
  readonly seconds: number;
  /** From the end of the last fault to the end of the last job. */
  readonly settledAfterSeconds: number;
  readonly records: readonly JobRecord[];
  readonly receipts: readonly Receipt[];
  readonly upstreamCount: number;
  readonly injected: readonly Injected[];
  readonly answers: ReadonlyMap<string, number>;
  readonly earlyAnswers: number;
  readonly failedStarts: number;
  readonly verdict: Verdict;
}

/** The table, and below it what helps to understand it. */
export function describeRun(facts: RunFacts): string {
  const { records, verdict, injected } = facts;
  const reported = records.flatMap(({ last, first }) => last ?? first ?? []);
  const events = records.map((record) => record.events.map(({ type }) => type));
  const polls = events.map((types) => types.filter((type) => type === 'polled').length);
  return [
    `seed ${facts.seed}: ${records.length} jobs, ${injected.length} faults, ${facts.seconds.toFixed(0)} s, ` +
      `all ended ${facts.settledAfterSeconds.toFixed(0)} s after the last fault`,
    ...Object.entries(PROMISES).map(
      ([promise, name]) => `  ${name.padEnd(36)} ${countOf(verdict, promise)}`,
    ),
    line('jobs by end', tally(reported.map(outcomeOf))),
    line('refused, explained', tally(records.flatMap(({ refused }) => refused?.code ?? []))),
    line('settled by', tally(reported.map(({ settledBy }) => settledBy ?? 'open'))),
    line('polls without an end per job', distribution(polls)),
    line('uncertain submits', uncertain(records)),
    line('upstream jobs', `${facts.upstreamCount}, ${duplicates(verdict)}`),
    line(
      'deliveries',
      tally(facts.receipts.map(({ isAccepted }) => (isAccepted ? 'accepted' : 'failed'))),
    ),
    line('faults of the world', tally(injected.map(({ kind }) => kind))),
    line('faults of jobs', tally(records.flatMap(({ planned }) => planned.faults))),
    line('replica starts that failed', String(facts.failedStarts)),
    line('waits answered early, without an end', String(facts.earlyAnswers)),
    line('answers', [...facts.answers].map(([what, times]) => `${what}: ${times}`).join(', ')),
  ].join('\n');
}

/** Enough of a violation to find its cause. */
export function describeViolation(
  { promise, what, record, upstream }: Violation,
  callbacks: ReadonlyMap<string, readonly string[]>,
): string {
  return [
    `${PROMISES[promise].toUpperCase()}: ${what}`,
    ...(record === undefined ? [] : [describeJob(record)]),
    ...upstream.flatMap(({ id, status, createdAt, raw }) => [
      `  upstream ${id} ${status}, made ${new Date(createdAt).toISOString()}, ended ${timeOf(raw['endedAt'])}, ` +
        `cancel asked ${timeOf(raw['cancelRequestedAt'])}, reads ${String(raw['reads'])}, submits ${String(raw['submits'])}`,
      ...(callbacks.get(id) ?? []).map((callback) => `    callback ${callback}`),
    ]),
  ].join('\n');
}

/** What a service planned, the reports to it, and the timeline. */
function describeJob({ planned, ids, first, last, events }: JobRecord): string {
  return [
    `  job ${ids.join(', ')} key ${planned.key} ${planned.type} ${planned.input}`,
    `  faults [${planned.faults.join('; ')}], cancel after ${planned.cancelAfterMs ?? '–'} ms`,
    `  first reported ${first?.text ?? '–'}`,
    `  last reported  ${last?.text ?? '–'}`,
    ...events.map(({ at, type, detail }) => `  ${at} ${type} ${JSON.stringify(detail)}`),
  ].join('\n');
}

/** The jobs that ended last: what a run has to wait for. */
export function describeLast(records: readonly JobRecord[]): string {
  const endOf = ({ first }: JobRecord): string => first?.endedAt ?? '';
  const last = records.toSorted((a, b) => endOf(b).localeCompare(endOf(a))).slice(0, 5);
  return ['the jobs that ended last', ...last.map(describeJob)].join('\n\n');
}

/** The faults of the world, in the order in which they came. */
export function describeFaults(injected: readonly Injected[]): string {
  return injected
    .toSorted((a, b) => a.from - b.from)
    .map(({ kind, from, to, note }) => `  ${timeOf(from)} ${to - from} ms ${kind} ${note}`)
    .join('\n');
}

function countOf({ violations }: Verdict, promise: string): number {
  return violations.filter((violation) => violation.promise === promise).length;
}

function line(name: string, value: string): string {
  return `  ${name.padEnd(36)} ${value === '' ? '–' : value}`;
}

function tally(names: readonly string[]): string {
  const counts = [...Map.groupBy(names, (name) => name)].map(
    ([name, all]) => [name, all.length] as const,
  );
  return counts
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}

function distribution(counts: readonly number[]): string {
  const sorted = counts.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return `median ${at(0.5)}, 95 % ${at(0.95)}, most ${at(1)}`;
}

/** How the submits with an unknown outcome were resolved: what followed them in the timeline. */
function uncertain(records: readonly JobRecord[]): string {
  const next = records.flatMap(({ events }) =>
    events.flatMap(({ type }, at) => {
      if (type !== 'submit_uncertain') return [];
      const then = events
        .slice(at + 1)
        .find((event) => !['polled', 'callback_received', 'cancel_requested'].includes(event.type));
      const via = then?.detail['via'];
      return then === undefined ? ['open'] : [typeof via === 'string' ? `by ${via}` : then.type];
    }),
  );
  return `${next.length}: ${tally(next)}`;
}

function duplicates({ explainedDuplicates: { bySwitch, provenAbsent } }: Verdict): string {
  return `duplicates by a switch ${bySwitch}, after the first was proven absent ${provenAbsent}`;
}

function timeOf(value: unknown): string {
  return typeof value === 'number' ? new Date(value).toISOString() : '–';
}
