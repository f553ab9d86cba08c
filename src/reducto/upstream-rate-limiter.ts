import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Settings } from '../platform/config/settings.js';
import { rows } from '../platform/database/sql.js';
import { UpstreamMetrics } from './upstream.metrics.js';

/** Permission to call Reducto now, or how long to wait. */
export type Permit =
  { readonly granted: true } | { readonly granted: false; readonly seconds: number };

/** Longest wait for a permit; beyond it the caller is refused. */
const MAX_WAIT_SECONDS = 5;
/** Burst after a quiet period. */
const BURST_SECONDS = 0.25;
/** Rate while Reducto is unavailable. */
const PROBES_PER_SECOND = 1;
/** Cool-downs after the first, second, … failure in a row; the last one repeats. */
const COOL_DOWN_SECONDS = [0.5, 1, 2, 4, 8, 15];
const MAX_PERMITS_AT_ONCE = 50;
/** Cache lifetime of the state. */
const STATE_READ_MILLISECONDS = 200;

interface LimiterState {
  /** When polls are allowed again; null where they are. */
  readonly until: Date | null;
  readonly isCooling: boolean;
  readonly isProbing: boolean;
}
const NO_STATE: LimiterState = { until: null, isCooling: false, isProbing: false };

/**
 * Rate limiter for polls, shared by all processes: Reducto’s cap is per API key, so the state is one row in the
 * database. Permits are granted in order, evenly spaced; callers that ask together share a statement. A failure
 * (no answer, 429, 5xx, unusable answer) starts a cool-down for everybody, longer each time; then single polls
 * probe until one succeeds.
 */
@Injectable()
export class UpstreamRateLimiter {
  private readonly logger = new Logger(UpstreamRateLimiter.name);
  private readonly upstream: string;
  private readonly perSecond: number;
  private waiting: {
    resolve: (permit: Permit) => void;
    reject: (error: unknown) => void;
  }[] = [];
  private serving = false;
  private state: { readonly readAt: number; readonly value: Promise<LimiterState> } | undefined;
  private unavailable = false;

  constructor(
    settings: Settings,
    private readonly metrics: UpstreamMetrics,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.upstream = settings.REDUCTO_BASE_URL.origin;
    this.perSecond = settings.REDUCTO_POLLS_PER_SECOND;
  }

  /** Resolves to a permit, or to how long to wait. */
  acquirePermit(): Promise<Permit> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      if (!this.serving) void this.grantPermits();
    });
  }

  /** Whether Reducto answered when this process last asked; costs no query. */
  get isAvailable(): boolean {
    return !this.unavailable;
  }

  /** How many polls may begin: none in a cool-down, one while a probe is due after failures. */
  async allowance(): Promise<number> {
    const { isCooling, isProbing } = await this.readState();
    if (isCooling) return 0;
    return isProbing ? 1 : Infinity;
  }

  /** When polls are allowed again; null where they are. */
  async coolDownUntil(): Promise<Date | null> {
    return (await this.readState()).until;
  }

  private readState(): Promise<LimiterState> {
    const now = performance.now();
    if (this.state === undefined || now - this.state.readAt > STATE_READ_MILLISECONDS) {
      const read = rows<LimiterState>(this.database, READ_STATE, [this.upstream]);
      this.state = { readAt: now, value: read.then(([row]) => row ?? NO_STATE) };
      this.state.value.catch(() => (this.state = undefined));
    }
    return this.state.value;
  }

  /** Call with the outcome of each request. `retryAfterSeconds`: as Reducto asked. */
  async reportOutcome(outcome: 'answered' | 'unavailable', retryAfterSeconds = 0): Promise<void> {
    if (outcome === 'answered') {
      if (!this.unavailable) return;
      this.unavailable = false;
      await rows(this.database, END_COOL_DOWN, [this.upstream]);
      this.state = undefined;
      return;
    }
    this.unavailable = true;
    this.state = undefined;
    const [hold] = await rows<{ failures: number; seconds: number }>(
      this.database,
      BEGIN_COOL_DOWN,
      [this.upstream, COOL_DOWN_SECONDS, retryAfterSeconds, 0.9 + Math.random() * 0.2],
    );
    // No row: another caller reported the same failure, and the cool-down has begun.
    if (hold === undefined) return;
    this.metrics.recordCoolDown();
    this.logger.warn({ msg: 'Reducto unavailable; polling backs off', ...hold });
  }

  private async grantPermits(): Promise<void> {
    this.serving = true;
    while (this.waiting.length > 0) {
      const callers = this.waiting.splice(0, this.unavailable ? 1 : MAX_PERMITS_AT_ONCE);
      try {
        const turns = await this.acquirePermits(callers.length);
        callers.forEach(({ resolve }, n) => {
          const wait = turns[n] ?? 0;
          if (typeof wait !== 'number') resolve(wait);
          else if (wait < 0.001) resolve({ granted: true });
          else void setTimeout(wait * 1000).then(() => resolve({ granted: true }));
        });
      } catch (error) {
        for (const { reject } of callers) reject(error);
      }
    }
    this.serving = false;
  }

  /** The wait of each of `count` callers in seconds, or its refusal. */
  private async acquirePermits(count: number): Promise<(number | Permit)[]> {
    const [row] = await rows<{ failures: number; wait: number; spacing: number }>(
      this.database,
      ACQUIRE_PERMITS,
      [
        this.upstream,
        count,
        1 / this.perSecond,
        1 / PROBES_PER_SECOND,
        BURST_SECONDS,
        MAX_WAIT_SECONDS,
      ],
    );
    if (row !== undefined) {
      this.unavailable = row.failures > 0;
      return Array.from({ length: count }, (_, n) => row.wait + n * row.spacing);
    }
    const [next] = await rows<{ seconds: number }>(this.database, NEXT_PERMIT, [this.upstream]);
    const seconds = Math.max(next?.seconds ?? 0, 0.1);
    return Array.from({ length: count }, () => ({ granted: false, seconds }));
  }
}

/**
 * $1 deployment, $2 permits, $3 spacing, $4 spacing of probes, $5 burst, $6 longest wait; in seconds. One failure
 * alone is a short pause; from the second in a row on, polls go one by one and book no permits ahead, because one
 * success ends it.
 */
const ACQUIRE_PERMITS = `
  INSERT INTO upstream_rate AS rate (upstream, next_permit_at)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2 * $3::float8))
  ON CONFLICT (upstream) DO UPDATE
     SET next_permit_at =
           greatest(rate.next_permit_at, rate.cool_down_until,
                    clock_timestamp() - make_interval(secs => $5))
           + make_interval(secs => $2 * CASE WHEN rate.failures > 1 THEN $4::float8 ELSE $3 END)
   WHERE greatest(rate.next_permit_at, rate.cool_down_until) <= clock_timestamp()
         + make_interval(secs => CASE WHEN rate.failures > 1 THEN $4::float8 ELSE $6::float8 END)
  RETURNING failures,
    CASE WHEN failures > 1 THEN $4::float8 ELSE $3 END AS spacing,
    extract(epoch FROM next_permit_at - clock_timestamp())::float8
      - $2 * CASE WHEN failures > 1 THEN $4::float8 ELSE $3 END AS wait`;

const NEXT_PERMIT = `
  SELECT extract(epoch FROM greatest(next_permit_at, cool_down_until) - clock_timestamp())::float8 AS seconds
    FROM upstream_rate WHERE upstream = $1`;

/** From the second failure in a row on, polls go one by one. */
const READ_STATE = `
  SELECT CASE WHEN cool_down_until > clock_timestamp() THEN cool_down_until
              WHEN failures > 1 THEN greatest(next_permit_at, clock_timestamp()) END AS until,
         cool_down_until > clock_timestamp()
           OR failures > 1 AND next_permit_at > clock_timestamp() AS "isCooling",
         failures > 1 AS "isProbing"
    FROM upstream_rate WHERE upstream = $1`;

const END_COOL_DOWN = `
  UPDATE upstream_rate
     SET failures = 0,
         cool_down_until = least(cool_down_until, clock_timestamp()),
         next_permit_at = least(next_permit_at, clock_timestamp())
   WHERE upstream = $1 AND failures > 0`;

/** $2 cool-downs, $3 Retry-After, $4 jitter. Polls that fail together count once. */
const BEGIN_COOL_DOWN = `
  INSERT INTO upstream_rate AS rate (upstream, failures, cool_down_until)
  VALUES ($1, 1, clock_timestamp() + make_interval(secs => greatest(($2::float8[])[1] * $4::float8, $3::float8)))
  ON CONFLICT (upstream) DO UPDATE
     SET failures = rate.failures + 1,
         cool_down_until = clock_timestamp() + make_interval(secs => greatest(
           ($2::float8[])[least(rate.failures + 1, cardinality($2::float8[]))] * $4::float8, $3::float8))
   WHERE rate.cool_down_until <= clock_timestamp()
  RETURNING failures, extract(epoch FROM cool_down_until - clock_timestamp())::float8 AS seconds`;
