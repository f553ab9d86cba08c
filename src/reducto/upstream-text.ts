import { redact } from '../platform/logging/redaction.js';
import { truncate } from '../platform/text.js';

const LINE_BREAKS = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
/** Controls that steer terminals, and NUL, which PostgreSQL refuses. */
// oxlint-disable-next-line no-control-regex -- these are what must not get through
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/** Far more than is kept of any text, so that what redaction shortens is made up for. */
const MAX_READ = 65_536;

/**
 * Text of Reducto's in the only form in which the gateway stores, logs, or shows it: on one line, without
 * secrets, well-formed Unicode, and at most `maxLength` UTF-16 code units.
 */
export function upstreamText(text: string, maxLength: number): string {
  const line = redact(
    text.slice(0, MAX_READ).replace(LINE_BREAKS, ' ').replace(CONTROLS, '\ufffd'),
  ).trim();
  return line.length > maxLength ? `${truncate(line, maxLength - 1)}…` : line.toWellFormed();
}
