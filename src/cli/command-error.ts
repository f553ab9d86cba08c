import { QueryFailedError } from 'typeorm';
import { reasonOf } from '../doctor/reasons.js';
import { SettingsError } from '../platform/config/settings.js';
import { UnusableDatabaseError } from '../platform/database/await-database.js';
import { isDatabaseAway } from '../platform/database/database-errors.js';
import { UnsuitableDatabaseError } from '../platform/database/database-requirements.js';
import { MigrationLockLostError, PendingMigrationsError } from '../platform/database/migrations.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { redact } from '../platform/logging/redaction.js';

/** Exit codes of all commands; `--help` and docs/operations.md document them. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** A command failed; the message says what happened and what to do. */
export class CommandError extends Error {}

/** The text for stderr, without stack, SQL, and secrets. */
export function describeCommandError(error: unknown): { message: string; exitCode: number } {
  if (error instanceof SettingsError) return { message: error.message, exitCode: EXIT.usage };
  return { message: redact(messageOf(error)), exitCode: EXIT.failed };
}

const DOCTOR = 'Run "gateway doctor" to find the cause.';

function messageOf(error: unknown): string {
  if (
    error instanceof CommandError ||
    error instanceof PendingMigrationsError ||
    error instanceof MigrationLockLostError ||
    error instanceof UnusableDatabaseError ||
    error instanceof UnsuitableDatabaseError ||
    error instanceof GatewayError
  ) {
    return error.message;
  }
  if (isDatabaseAway(error))
    return `The connection to the database failed: ${reasonOf(error)}. ${DOCTOR}`;
  if (error instanceof QueryFailedError) {
    return `The database refused a statement: ${refusalOf(error)}. ${DOCTOR}`;
  }
  return `The command failed: ${reasonOf(error)}. ${DOCTOR}`;
}

/** PostgreSQL's message may quote data, so an unknown error is reported by its code. */
function refusalOf(error: QueryFailedError): string {
  const reason = reasonOf(error.driverError);
  const { code } = error.driverError as { code?: unknown };
  return reason === error.driverError.message && typeof code === 'string'
    ? `SQLSTATE ${code}`
    : reason;
}
