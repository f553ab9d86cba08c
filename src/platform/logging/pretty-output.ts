import type { DestinationStream } from 'pino';
import { build } from 'pino-pretty';

/** Readable lines: time, level, context, message, and the other fields. */
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
