import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger } from 'pino';
import { pretty } from './pretty-output.js';
import { describeError } from './error-description.js';
import { currentLogFields } from './log-context.js';
import { isDatabaseOutage } from '../database/database-errors.js';
import { OUTAGE_OVER, OutageLog } from './outage-log.js';
import { redact } from './redaction.js';
import type { Settings } from '../config/settings.js';

/**
 * The logger of the process: JSON, or text in a terminal. Each line has the fields of its request or work, errors are
 * reduced by `describeError`, and `redact` masks secrets in every finished line.
 */
export function createLogger(
  settings: Pick<Settings, 'LOG_LEVEL' | 'LOG_FORMAT' | 'NODE_ENV'>,
  destination?: DestinationStream,
): Logger {
  const readable =
    settings.LOG_FORMAT === 'pretty' ||
    (settings.LOG_FORMAT === 'auto' && settings.NODE_ENV !== 'production' && process.stdout.isTTY);
  return pino(
    {
      level: settings.LOG_LEVEL,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => ({ ...currentLogFields() }),
      serializers: { err: describeError },
      hooks: { streamWrite: redact },
    },
    destination ?? (readable ? pretty() : pino.destination({ fd: 1, sync: false, minLength: 0 })),
  );
}

/** Nest classes that log every module and route; logged as debug. */
const CHATTY = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Writes the logs of Nest's `Logger` with pino. */
export class NestLogger implements LoggerService {
  private readonly outage = new OutageLog();

  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...context: unknown[]): void {
    const chatty = CHATTY.has(String(context.at(-1)));
    this.write(chatty ? 'debug' : 'info', message, context);
  }

  error(message: unknown, ...context: unknown[]): void {
    this.write('error', message, context);
  }

  warn(message: unknown, ...context: unknown[]): void {
    this.write('warn', message, context);
  }

  debug(message: unknown, ...context: unknown[]): void {
    this.write('debug', message, context);
  }

  verbose(message: unknown, ...context: unknown[]): void {
    this.write('trace', message, context);
  }

  fatal(message: unknown, ...context: unknown[]): void {
    this.write('fatal', message, context);
  }

  /** Nest passes the name of the class last, and the stack of an error before it. */
  private write(
    level: 'info' | 'error' | 'warn' | 'debug' | 'trace' | 'fatal',
    message: unknown,
    context: unknown[],
  ): void {
    const name = context.at(-1);
    const fields: Record<string, unknown> = typeof name === 'string' ? { context: name } : {};
    const error = [message, ...context].find((part) => part instanceof Error);
    if (error !== undefined) fields['err'] = error;
    if (typeof message === 'object' && message !== null && !(message instanceof Error)) {
      const { msg, ...rest } = message as Record<string, unknown>;
      // pino leaves out fields that are undefined, but `undefined` can be thrown.
      if ('err' in rest && rest['err'] === undefined) rest['err'] = 'undefined';
      const isOver = OUTAGE_OVER in message;
      this.writeFields(
        level,
        { ...fields, ...rest },
        typeof msg === 'string' ? msg : undefined,
        isOver,
      );
      return;
    }
    this.writeFields(level, fields, message instanceof Error ? message.message : String(message));
  }

  /** Summarizes lines that only say that the database is unavailable. */
  private writeFields(
    level: 'info' | 'error' | 'warn' | 'debug' | 'trace' | 'fatal',
    fields: Record<string, unknown>,
    message: string | undefined,
    isOver = false,
  ): void {
    if (isOver) {
      const summary = this.outage.end();
      if (summary !== undefined) this.logger[level]({ ...fields, ...summary }, message);
      return;
    }
    if (message === 'request' && fields['status'] === 503 && this.outage.isActive) {
      this.outage.countRequest();
      return;
    }
    if (level !== 'fatal' && isDatabaseOutage(fields['err'])) {
      const counted = this.outage.count(message ?? '');
      if (counted === undefined) return;
      if (counted !== 'write') {
        this.logger.warn({ context: 'Database', ...counted }, 'the database is still unavailable');
        return;
      }
    }
    this.logger[level](fields, message);
  }
}
