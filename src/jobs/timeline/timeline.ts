import type { JobEvent, JobEventType } from './job-event.entity.js';
import type { OutsideEntry } from './timeline-sources.js';
import { isTerminal, TERMINAL_STATUSES } from '../job-status.js';
import type { Job } from '../job.entity.js';

/** An entry of a job’s timeline. */
export interface TimelineEntry {
  /** Place in the timeline, from 1. */
  readonly id: string;
  readonly at: Date;
  readonly type: JobEventType;
  readonly detail: Record<string, unknown>;
}

type Entry = Omit<TimelineEntry, 'id'>;

/**
 * The timeline, oldest first. The regular steps stand in the columns of the job; `events` are the rest of it, in their
 * order. `sizeBytes`: size of the stored result; `others`: entries that other features hold.
 */
export function timelineOf(
  job: Job,
  events: readonly JobEvent[],
  sizeBytes: string | null,
  others: readonly OutsideEntry[] = [],
): TimelineEntry[] {
  const recorded = events.flatMap(({ at, type, detail }) => [
    ...attemptOf(detail),
    { at, type, detail: withoutBegin(detail) },
  ]);
  const isRecorded = ({ type, detail }: Entry): boolean =>
    recorded.some(
      (entry) =>
        entry.type === type &&
        (type !== 'submit_started' || entry.detail['attempt'] === detail['attempt']),
    );
  const steps = stepsOf(job, sizeBytes).filter((step) => !isRecorded(step));
  return [...steps, ...recorded, ...others]
    .toSorted((one, other) => +one.at - +other.at || rankOf(one) - rankOf(other))
    .map((entry, n) => ({ id: String(n + 1), ...entry }));
}

/** The regular steps of a job: accepted, last attempt, submitted, ended. */
function stepsOf(job: Job, sizeBytes: string | null): Entry[] {
  const { type, status, createdAt, submitStartedAt, submittedAt, endedAt, submitAttempts } = job;
  const steps: Entry[] = [{ at: createdAt, type: 'accepted', detail: { type } }];
  if (submitStartedAt !== null) {
    const detail = { attempt: submitAttempts };
    steps.push({ at: submitStartedAt, type: 'submit_started', detail });
  }
  if (submittedAt !== null) {
    const detail = { upstreamId: job.upstreamId, via: 'answer' };
    steps.push({ at: submittedAt, type: 'submitted', detail });
  }
  if (endedAt !== null && isTerminal(status)) {
    const detail = {
      ...(job.error === null ? {} : { code: job.error.code }),
      settledBy: job.settledBy,
      polls: job.polls,
      ...(sizeBytes === null ? {} : { sizeBytes: Number(sizeBytes) }),
    };
    steps.push({ at: endedAt, type: status, detail });
  }
  return steps;
}

/** An event that ended an attempt says when it began. */
function attemptOf({ attempt, begunAt }: JobEvent['detail']): Entry[] {
  return typeof begunAt === 'string'
    ? [{ at: new Date(begunAt), type: 'submit_started', detail: { attempt } }]
    : [];
}

function withoutBegin(detail: JobEvent['detail']): JobEvent['detail'] {
  const { begunAt: _, ...rest } = detail;
  return rest;
}

const ENDS: ReadonlySet<string> = new Set(TERMINAL_STATUSES);

/** Order of entries of the same moment. */
function rankOf({ type }: Entry): number {
  if (type === 'accepted') return 0;
  if (type === 'event_delivered' || type === 'event_not_delivered') return 3;
  return ENDS.has(type) ? 2 : 1;
}
