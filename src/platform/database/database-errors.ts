import { isNativeError } from 'node:util/types';
import { QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';

/**
 * What an error of a statement says about a retry:
 * - `unavailable`: the server cannot be reached, refuses or ends the session, is full, or ran into a time limit. Retry later.
 * - `read_only`: a standby, or a primary that a failover has demoted. Retry later, on a new connection.
 * - `conflict`: a deadlock or a serialization failure. The same statement may succeed at once.
 * - `data`: PostgreSQL cannot store or compute these values. The same statement fails forever.
 * - `other`: a defect, a missing privilege, an outdated schema, or not an error of the database.
 */
export type DatabaseErrorKind = 'unavailable' | 'read_only' | 'conflict' | 'data' | 'other';

/** SQLSTATEs, by class where the whole class means the same. */
const KIND_OF_SQLSTATE: readonly (readonly [RegExp, DatabaseErrorKind])[] = [
  [/^25006$/, 'read_only'],
  // 57014, 25P03, 25P04, 57P05, and 55P03 are time limits of the server.
  [/^(08...|53...|57P..|57014|25P03|25P04|55P03|58030)$/, 'unavailable'],
  [/^40...$/, 'conflict'],
  [/^(22|23|54)...$/, 'data'],
];

const UNREACHABLE =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN)$/;

/** Messages of pg, its pool, and TypeORM that have no code. */
const UNREACHABLE_MESSAGE =
  /timeout exceeded when trying to connect|timeout expired|connection terminated|query read timeout|not queryable|not connected|after calling end on the pool/i;

/** 55000 has many meanings; on a standby it means a function that only a primary offers. */
const RECOVERY_MESSAGE = /recovery is in progress|during recovery/i;

/**
 * Classifies an error of a statement or a connection attempt. Call it only if the database is the source: system errors
 * such as ECONNREFUSED look the same for every connection.
 *
 * "Already released" is `unavailable`: TypeORM releases a connection that breaks within a transaction, and the next
 * statement of the transaction has no connection.
 */
export function classifyDatabaseError(thrown: unknown): DatabaseErrorKind {
  if (!(thrown instanceof Error) || isRefusedOption(thrown)) return 'other';
  if (thrown instanceof QueryRunnerAlreadyReleasedError) return 'unavailable';
  if (thrown instanceof QueryRunnerProviderAlreadyReleasedError) return 'unavailable';
  const code = sqlStateOf(thrown);
  const kind = KIND_OF_SQLSTATE.find(([sqlstate]) => sqlstate.test(code))?.[1];
  if (kind !== undefined) return kind;
  if (code === '55000' && RECOVERY_MESSAGE.test(thrown.message)) return 'read_only';
  return isFatal(thrown) || UNREACHABLE.test(code) || UNREACHABLE_MESSAGE.test(thrown.message)
    ? 'unavailable'
    : 'other';
}

/** The server refuses or has ended the session; no statement caused it. */
function isFatal(thrown: Error): boolean {
  return 'severity' in thrown && thrown.severity === 'FATAL';
}

/**
 * Whether the server refuses the gateway: a wrong password, a database that does not exist or accepts no connections. An
 * operator has to act, so a start does not wait; a process that runs treats it as an outage.
 */
export function isSessionRefused(thrown: unknown): boolean {
  const code = sqlStateOf(thrown);
  return (
    thrown instanceof Error &&
    isFatal(thrown) &&
    !KIND_OF_SQLSTATE.some(([sqlstate]) => sqlstate.test(code))
  );
}

/** The SQLSTATE or the code of a system error; empty if there is none. */
export function sqlStateOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : '';
}

/** Errors of database connections. Their codes, such as ECONNREFUSED, do not identify the source. */
const reportedByConnections = new WeakSet<Error>();

/** Marks `error` as one of a database connection. */
export function markDatabaseError(error: Error): void {
  reportedByConnections.add(error);
}

/** Whether `thrown` says that the database is unavailable, and certainly comes from the database. */
export function isDatabaseOutage(thrown: unknown): thrown is Error {
  if (!isNativeError(thrown) || !isDatabaseAway(thrown)) return false;
  const code = 'code' in thrown ? thrown.code : undefined;
  if (typeof code !== 'string' || /^[0-9][0-9A-Z]{4}$/.test(code)) return true;
  const driverError = 'driverError' in thrown ? thrown.driverError : undefined;
  return [thrown, driverError].some(
    (error) => error instanceof Error && reportedByConnections.has(error),
  );
}

/** Whether the database is unreachable or read-only. */
export function isDatabaseAway(thrown: unknown): boolean {
  const kind = classifyDatabaseError(thrown);
  return kind === 'unavailable' || kind === 'read_only';
}

/** Whether the same statement may succeed in a moment: the database is away, or another transaction was in the way. */
export function isTransient(thrown: unknown): boolean {
  return isDatabaseAway(thrown) || classifyDatabaseError(thrown) === 'conflict';
}

/** Whether the server, or a pooler before it, refused a startup option of the connection. */
export function isRefusedOption(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    /(startup|configuration) parameter|invalid value for parameter|startup option/i.test(
      thrown.message,
    )
  );
}
