import type { PlannedJob } from './job-mix.js';
import { recordOf } from './sandbox-control.js';

/** A job as the gateway reported it to its service. */
export interface ReportedJob {
  readonly status: string;
  readonly errorCode: string | undefined;
  readonly settledBy: string | undefined;
  readonly createdAt: string;
  readonly endedAt: string | undefined;
  /** The answer as it came. */
  readonly text: string;
}

export interface ToldEvent {
  readonly at: string;
  readonly type: string;
  readonly detail: Record<string, unknown>;
}

/** All reports about one job to its service. */
export interface JobRecord {
  readonly planned: PlannedJob;
  /** The id in every 202, in the order in which they came. */
  readonly ids: string[];
  /** The answer that refused the request for good. */
  refused?: { readonly status: number; readonly code: string };
  cancelAsked: boolean;
  /** How often the gateway said that it does not know the accepted job. */
  unknownAnswers: number;
  /** The first report of the end. */
  first?: ReportedJob;
  /** The last report, after all faults. */
  last?: ReportedJob;
  events: readonly ToldEvent[];
  result?: { readonly status: number; readonly text: string };
}

export const TERMINAL: readonly string[] = ['completed', 'failed', 'cancelled', 'expired'];

export function newRecord(planned: PlannedJob): JobRecord {
  return { planned, ids: [], cancelAsked: false, unknownAnswers: 0, events: [] };
}

export function readReported(text: string): ReportedJob {
  const job = recordOf(JSON.parse(text));
  const error = recordOf(job['error']);
  return {
    status: String(job['status']),
    errorCode: textOf(error['code']),
    settledBy: textOf(job['settledBy']),
    createdAt: String(job['createdAt']),
    endedAt: textOf(job['endedAt']),
    text,
  };
}

export function readEvents(text: string): ToldEvent[] {
  const { events } = recordOf(JSON.parse(text));
  return (Array.isArray(events) ? events : []).map((event: unknown) => {
    const { at, type, detail } = recordOf(event);
    return { at: String(at), type: String(type), detail: recordOf(detail) };
  });
}

/** The status, or the code of the error where there is one: one word that says how a job ended. */
export function outcomeOf({ status, errorCode }: ReportedJob): string {
  return errorCode ?? status;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
