import { redact } from '../platform/logging/redaction.js';
import type { Finding } from './finding.js';

/** One line for each finding, and one for all. Without anything that looks like a secret. */
export function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.map(({ status, check, message, fix }) => {
    const advice = fix === undefined ? '' : ` → ${fix}`;
    return `${status.padEnd(4)}  ${check.padEnd(width)}  ${message}${advice}`;
  });
  const count = (status: Finding['status']): number =>
    findings.filter((finding) => finding.status === status).length;
  const counted = (status: Finding['status'], noun: string): string =>
    `${count(status)} ${noun}${count(status) === 1 ? '' : 's'}`;
  lines.push(`${count('ok')} ok, ${counted('warn', 'warning')}, ${counted('fail', 'error')}`);
  return redact(lines.map(oneLine).join('\n'));
}

/** `{"ok": false, "checks": [{"check", "status", "message", "fix"}]}`. */
export function asJson(findings: readonly Finding[]): string {
  return redact(JSON.stringify({ ok: isWell(findings), checks: findings }, undefined, 2));
}

export function isWell(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== 'fail');
}

/** What others say must not steer the terminal. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- exactly these are what must not get through
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
