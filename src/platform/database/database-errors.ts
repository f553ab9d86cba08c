/** SQLSTATE classes and system errors that mean "not now" rather than "wrong". */
const AWAY =
  /^(08...|57P0.|53...|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

/** Whether `thrown` says that the database cannot be reached or takes no work right now. */
export function isDatabaseAway(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  const code = 'code' in thrown ? thrown.code : undefined;
  if (typeof code === 'string' && AWAY.test(code)) return true;
  return /timeout exceeded when trying to connect|Connection terminated|Query read timeout|not connected/i.test(
    thrown.message,
  );
}
