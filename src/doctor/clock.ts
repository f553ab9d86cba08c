import { ok, warn, type Finding } from './finding.js';

/** Seconds by which `there` is ahead of here, at the middle of a question that began and ended at these moments. */
export function skewSeconds(there: Date, began: number, ended: number): number {
  return (there.getTime() - (began + ended) / 2) / 1000;
}

export function checkSkew(check: string, whose: string, skew: number, most: number): Finding {
  const seconds = Math.round(Math.abs(skew));
  if (seconds <= most) return ok(check, `this clock and that of ${whose} agree to ${most} s`);
  const message = `this clock is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} that of ${whose}`;
  return warn(check, message, 'set both by NTP; Svix signatures are refused from 300 s on');
}
