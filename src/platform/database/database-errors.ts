import { QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError } from 'typeorm';

/**
 * SQLSTATEs and system errors that mean "not now" rather than "wrong": trouble with the connection, a
 * server that starts, stops or is full, a time limit of the server (57014, 25P03, 25P04, 55P03).
 */
const AWAY =
  /^(08...|57P0.|57014|25P03|25P04|55P03|53...|ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN)$/;

/** What pg, its pool and TypeORM say without a code. */
const AWAY_MESSAGE =
  /timeout exceeded when trying to connect|timeout expired|connection terminated|query read timeout|not queryable|not connected|after calling end on the pool/i;

/**
 * Whether `thrown` says that the database cannot be reached or takes no work right now.
 *
 * "Already released" says so too: a connection that breaks in the middle of a transaction is released
 * at once, and the next statement of the transaction finds nothing to run on.
 */
export function isDatabaseAway(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || isRefusedOption(thrown)) return false;
  if (thrown instanceof QueryRunnerAlreadyReleasedError) return true;
  if (thrown instanceof QueryRunnerProviderAlreadyReleasedError) return true;
  const code = 'code' in thrown ? thrown.code : undefined;
  return (typeof code === 'string' && AWAY.test(code)) || AWAY_MESSAGE.test(thrown.message);
}

/** Whether the server, or a pooler before it, refused a limit that came with the connection. */
export function isRefusedOption(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    /(startup|configuration) parameter|invalid value for parameter|startup option/i.test(
      thrown.message,
    )
  );
}
