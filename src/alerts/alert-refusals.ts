import { REFUSAL_CAUSES, type RefusalCause } from '../audit/refusal.js';
import { KIND_OF_CAUSE } from './alert-kinds.js';
import type { Alert } from './alert-queries.js';

/** A filter of refused callbacks. */
export interface AlertRefusals {
  /** The most frequent cause of the alert; absent for an attack, which has many. */
  readonly cause: RefusalCause | undefined;
  readonly from: Date;
  readonly to: Date | undefined;
}

/** The first refusals are older than the alert. */
const BEFORE_MILLISECONDS = 3_600_000;

/** The filter for the refused callbacks of an alert; `undefined` for another alert. */
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
