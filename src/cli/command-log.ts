import type { LoggerService } from '@nestjs/common';
import { reasonOf } from '../doctor/reasons.js';
import { redact } from '../platform/logging/redaction.js';

/** Log lines of commands: plain text on stderr, because stdout holds the result alone. */
export class CommandLog implements LoggerService {
  private lastLine = '';

  /** @param withProgress also writes what goes well, such as each migration. */
  constructor(private readonly withProgress = false) {}

  log(message: unknown): void {
    if (this.withProgress) this.write(message);
  }

  warn(message: unknown): void {
    this.write(message);
  }

  error(message: unknown, ...context: unknown[]): void {
    // Nest logs the error with which a start fails, and throws it too.
    if (context.at(-1) !== 'ExceptionHandler') this.write(message);
  }

  /** A line that repeats, such as an attempt to connect, is written once. */
  private write(message: unknown): void {
    const line = redact(textOf(message));
    if (line === this.lastLine) return;
    this.lastLine = line;
    process.stderr.write(`${line}\n`);
  }
}

function textOf(message: unknown): string {
  if (message instanceof Error) return reasonOf(message);
  if (typeof message !== 'object' || message === null) return String(message);
  const { msg, err } = message as { msg?: unknown; err?: unknown };
  return [msg, err instanceof Error ? reasonOf(err) : undefined]
    .filter((part) => typeof part === 'string')
    .join(': ');
}
