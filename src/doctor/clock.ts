import { ok, warn, type Finding } from './finding.js';

/** Seconds by which the remote clock is ahead, estimated for the middle of the request. */
export function skewSeconds(remote: Date, startedAt: number, endedAt: number): number {
  return (remote.getTime() - (startedAt + endedAt) / 2) / 1000;
}

export function checkSkew(check: string, owner: string, skew: number, maxSeconds: number): Finding {
  const seconds = Math.round(Math.abs(skew));
  if (seconds <= maxSeconds) {
    return ok(check, `the local clock differs from that of ${owner} by at most ${maxSeconds} s`);
  }
  const message = `the local clock is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} that of ${owner}`;
  return warn(check, message, 'synchronize both by NTP; from 300 s, Svix signatures are refused');
}
