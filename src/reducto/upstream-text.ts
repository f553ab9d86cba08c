import { redact } from '../platform/logging/redaction.js';
import { truncate } from '../platform/text.js';

const LINE_BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
/** Controls that steer terminals, and NUL, which PostgreSQL refuses. */
// oxlint-disable-next-line no-control-regex -- these are what must not get through
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** More than any text retains, since redaction shortens it. */
const MAX_READ = 65_536;

/**
 * Sanitizes text from Reducto before the gateway stores, logs, or shows it: one line, no secrets, well-formed Unicode,
 * at most `maxLength` UTF-16 code units.
 */
export function upstreamText(text: string, maxLength: number): string {
  const line = redact(
    text.slice(0, MAX_READ).replace(LINE_BREAKS, ' ').replace(CONTROLS, '\ufffd'),
  ).trim();
  return line.length > maxLength ? `${truncate(line, maxLength - 1)}…` : line.toWellFormed();
}
