import { REFUSAL_CAUSES, type RefusalCause } from '../audit/refusal.js';
import { KIND_OF_CAUSE } from './alert-kinds.js';
import type { Alert } from './alert-queries.js';

/** A filter of refused callbacks. */
export interface AlertRefusals {
  /** A filter takes one cause: the most frequent one of the alert. An attack has many. */
  readonly cause: RefusalCause | undefined;
  readonly from: Date;
  readonly to: Date | undefined;
}

/** An alert is raised some time after the first of its refusals. */
const BEFORE_MILLISECONDS = 3_600_000;

/** The refused callbacks that an alert is about; `undefined` where it is about something else. */
export function refusalsOf({
  kind,
  evidence,
  openedAt,
  closedAt,
}: Alert): AlertRefusals | undefined {
  if (!('causes' in evidence)) return undefined;
  const ofKind = REFUSAL_CAUSES.filter((cause) => KIND_OF_CAUSE[cause] === kind);
  const { causes } = evidence;
  const [cause] = ofKind.toSorted((one, other) => (causes[other] ?? 0) - (causes[one] ?? 0));
  const from = new Date(openedAt.getTime() - BEFORE_MILLISECONDS);
  return { cause, from, to: closedAt ?? undefined };
}
