import type { LoggerService } from '@nestjs/common';
import { reasonOf } from '../doctor/reasons.js';
import { redact } from '../platform/logging/redaction.js';

/** Logs plain text to stderr, because stdout holds only the result. */
export class CommandLog implements LoggerService {
  private lastLine = '';

  /** @param withProgress also writes progress, such as each migration. */
  constructor(private readonly withProgress = false) {}

  log(message: unknown): void {
    if (this.withProgress) this.write(message);
  }

  warn(message: unknown): void {
    this.write(message);
  }

  error(message: unknown, ...context: unknown[]): void {
    // Nest logs a startup error and also throws it.
    if (context.at(-1) !== 'ExceptionHandler') this.write(message);
  }

  /** Writes a repeated line, such as a connection attempt, once. */
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
