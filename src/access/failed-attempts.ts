import { Injectable } from '@nestjs/common';
import type { Counter } from '@opentelemetry/api';
import { LRUCache } from 'lru-cache';
import ipaddr from 'ipaddr.js';
import { parseAddress } from '../platform/ip-address.js';
import { Metrics } from '../platform/metrics/metrics.js';

const WINDOW_MILLISECONDS = 60_000;
/** Maximum failures per window and sender. */
const PER_SENDER = 10;
/** Maximum failures per window of all senders, per process. */
const TOGETHER = 100;
const MAX_SENDERS = 10_000;

const SURFACES = ['api', 'console', 'session'] as const;

/** Where a key was presented; `session`: the cookie of a console session was. */
export type Surface = (typeof SURFACES)[number];

interface Window {
  readonly endsAt: number;
  failures: number;
}

/**
 * Rate limit of wrong API keys and session cookies. It only changes the answer to a wrong key, so guessing never locks
 * out a valid one.
 */
@Injectable()
export class FailedAttempts {
  private readonly senders = new LRUCache<string, Window>({
    max: MAX_SENDERS,
    ttl: WINDOW_MILLISECONDS,
  });
  private together: Window = { endsAt: 0, failures: 0 };
  private readonly counter: Counter;

  constructor(metrics: Metrics) {
    this.counter = metrics.counter(
      'gateway_authentication_failures',
      'API keys and session cookies that were unknown or revoked, by where they were presented and whether too many came (429)',
      SURFACES.flatMap((surface) => ['401', '429'].map((status) => ({ surface, status }))),
    );
  }

  /** Counts a failure; returns the time that the sender must wait after too many. */
  count(address: string, surface: Surface, now = performance.now()): number | undefined {
    const sender = senderOf(address);
    const own = current(this.senders.get(sender), now);
    this.senders.set(sender, own);
    this.together = current(this.together, now);
    own.failures += 1;
    this.together.failures += 1;
    const exceeded =
      own.failures > PER_SENDER
        ? own
        : this.together.failures > TOGETHER
          ? this.together
          : undefined;
    this.counter.add(1, { surface, status: exceeded === undefined ? '401' : '429' });
    return exceeded === undefined ? undefined : Math.ceil((exceeded.endsAt - now) / 1000);
  }
}

function current(window: Window | undefined, now: number): Window {
  return window !== undefined && window.endsAt > now
    ? window
    : { endsAt: now + WINDOW_MILLISECONDS, failures: 0 };
}

/** One customer has a whole /64 of IPv6. */
export function senderOf(address: string): string {
  const parsed = parseAddress(address);
  return parsed instanceof ipaddr.IPv6 ? parsed.toByteArray().slice(0, 8).join('.') : address;
}
