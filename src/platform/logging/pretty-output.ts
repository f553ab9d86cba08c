import type { DestinationStream } from 'pino';
import { build } from 'pino-pretty';

/** Lines for people: time, level, message, then the fields in one line. */
export function pretty(): DestinationStream {
  return build({
    colorize: process.stdout.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
    sync: true,
  });
}
