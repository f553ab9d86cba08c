/**
 * Calls `write` with an uncaught error, then ends the process. Node would print all properties of the error, and database
 * errors contain the parameters of the statement.
 */
export function logCrashes(write: (error: unknown, origin: string) => void): void {
  const crash = (error: unknown, origin: string): void => {
    write(error, origin);
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  // Otherwise Node replaces a reason that is not an Error by an error of its own.
  process.on('unhandledRejection', (reason) => crash(reason, 'unhandledRejection'));
}
