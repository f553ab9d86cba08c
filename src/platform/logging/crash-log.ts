/**
 * Calls `write` with what nobody has caught, then ends the process. Node would print the whole error, and errors of
 * the database hold the values of the statement.
 */
export function logCrashes(write: (error: unknown, origin: string) => void): void {
  const crash = (error: unknown, origin: string): void => {
    write(error, origin);
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  // Otherwise Node puts an error of its own in the place of a reason that is no Error.
  process.on('unhandledRejection', (reason) => crash(reason, 'unhandledRejection'));
}
