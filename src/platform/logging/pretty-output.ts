import type { DestinationStream } from 'pino';
import { build } from 'pino-pretty';

/** Lines for people: time, level, context, message, then the other fields in one line. */
export function pretty(): DestinationStream {
  return build({
    colorize: process.stdout.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
    messageFormat: '{if context}[{context}] {end}{msg}',
    ignore: 'context',
    sync: true,
  });
}
