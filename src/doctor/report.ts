import { redact } from '../platform/logging/redaction.js';
import type { Finding } from './finding.js';

/** One line per finding and a summary. Secrets are redacted. */
export function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.map(({ status, check, message, fix }) => {
    const advice = fix === undefined ? '' : ` → ${fix}`;
    return `${status.padEnd(4)}  ${check.padEnd(width)}  ${message}${advice}`;
  });
  const count = (status: Finding['status']): number =>
    findings.filter((finding) => finding.status === status).length;
  lines.push(
    `${count('ok')} ok, ${plural(count('warn'), 'warning')}, ${plural(count('fail'), 'error')}`,
  );
  return redact(lines.map(oneLine).join('\n'));
}

/** `{"ok": false, "checks": [{"check", "status", "message", "fix"}]}`. */
export function asJson(findings: readonly Finding[]): string {
  return redact(JSON.stringify({ ok: isWell(findings), checks: findings }, undefined, 2));
}

export function isWell(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== 'fail');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Removes control characters, because text from other servers must not control the terminal. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these characters must be removed
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
