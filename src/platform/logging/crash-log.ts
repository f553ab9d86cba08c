import type { LoggerService } from '@nestjs/common';

/**
 * Logs what nobody has caught, then ends the process. Node would print the whole error, and errors of the
 * database hold the values of the statement.
 */
export function logCrashes(log: Pick<LoggerService, 'fatal'>): void {
  // A rejected promise that nobody handles arrives here too.
  process.on('uncaughtException', (error: unknown, origin) => {
    log.fatal?.({ msg: 'the process ends after an error that nobody caught', origin, err: error });
    process.exit(1);
  });
}
