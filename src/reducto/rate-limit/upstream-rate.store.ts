import type { EntityManager } from 'typeorm';
import { preparedRows, rows } from '../../platform/database/sql.js';

/** Burst after a quiet period. */
const BURST_SECONDS = 0.1;
/** Rate while Reducto is unavailable. */
const PROBES_PER_SECOND = 1;
/** Cool-downs after the first, second, … failure in a row; the last one repeats. */
const COOL_DOWN_SECONDS = [0.5, 1, 2, 4, 8, 15];

/** Permits that a process has taken; times in seconds from now. */
export interface TakenBlock {
  readonly failures: number;
  readonly count: number;
  readonly wait: number;
  readonly spacing: number;
  /** The time after its last permit, as PostgreSQL writes it. */
  readonly end: string;
}

export interface LimiterState {
  /** When requests are allowed again; null where they are. */
  readonly until: Date | null;
  readonly isCooling: boolean;
  readonly isProbing: boolean;
}
const NO_STATE: LimiterState = { until: null, isCooling: false, isProbing: false };

/** The row of `upstream_rate` that all processes share for one kind of request. */
export class UpstreamRateStore {
  constructor(
    private readonly database: EntityManager,
    private readonly key: string,
    private readonly perSecond: number,
  ) {}

  /** Takes the next `count` permits, or says in how many seconds to ask again if they begin after `horizonSeconds`. */
  async takeBlock(
    count: number,
    horizonSeconds: number,
  ): Promise<TakenBlock | { readonly seconds: number }> {
    const [block] = await preparedRows<TakenBlock>(this.database, TAKE_BLOCK, [
      this.key,
      count,
      1 / this.perSecond,
      1 / PROBES_PER_SECOND,
      BURST_SECONDS,
      horizonSeconds,
    ]);
    if (block !== undefined) return block;
    const [next] = await preparedRows<{ seconds: number }>(this.database, NEXT_PERMIT, [this.key]);
    return { seconds: next?.seconds ?? 0 };
  }

  /** Gives the last `count` permits back, unless others have taken permits since. */
  async returnPermits(count: number, end: string): Promise<void> {
    await rows(this.database, RETURN_PERMITS, [this.key, count / this.perSecond, end]);
  }

  async readState(): Promise<LimiterState> {
    const [state] = await rows<LimiterState>(this.database, READ_STATE, [this.key]);
    return state ?? NO_STATE;
  }

  /** Ends the cool-down after the success of a request that began `seconds` ago. False if one has begun since. */
  async endCoolDown(seconds: number): Promise<boolean> {
    return (await rows(this.database, END_COOL_DOWN, [this.key, seconds])).length === 1;
  }

  /** Begins a cool-down, or a longer one; `isPersistent`: as after failures in a row. `undefined` if one has begun already. */
  async beginCoolDown(
    retryAfterSeconds: number,
    isPersistent: boolean,
  ): Promise<{ failures: number; seconds: number } | undefined> {
    const jitter = 0.9 + Math.random() * 0.2;
    const [begun] = await rows<{ failures: number; seconds: number }>(
      this.database,
      BEGIN_COOL_DOWN,
      [this.key, COOL_DOWN_SECONDS, retryAfterSeconds, jitter, isPersistent ? 2 : 1],
    );
    return begun;
  }
}

/**
 * $1 key, $2 permits, $3 spacing, $4 spacing of probes, $5 burst, $6 horizon; in seconds. One failure alone is a short
 * pause; from the second in a row on, requests go one by one, because one success ends it.
 */
const TAKE_BLOCK = {
  name: 'upstream-rate-take',
  text: `
  INSERT INTO upstream_rate AS rate (upstream, next_permit_at)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2::integer * $3::float8))
  ON CONFLICT (upstream) DO UPDATE
     SET next_permit_at =
           greatest(rate.next_permit_at, rate.cool_down_until,
                    clock_timestamp() - make_interval(secs => $5::float8))
           + make_interval(secs => CASE WHEN rate.failures > 1 THEN $4::float8 ELSE $2::integer * $3::float8 END)
   WHERE greatest(rate.next_permit_at, rate.cool_down_until) <= clock_timestamp()
         + make_interval(secs => CASE WHEN rate.failures > 1 THEN $4::float8 ELSE $6::float8 END)
  RETURNING failures, next_permit_at::text AS "end",
    CASE WHEN failures > 1 THEN 1 ELSE $2::integer END AS count,
    CASE WHEN failures > 1 THEN $4::float8 ELSE $3::float8 END AS spacing,
    extract(epoch FROM next_permit_at - clock_timestamp())::float8
      - CASE WHEN failures > 1 THEN $4::float8 ELSE $2::integer * $3::float8 END AS wait`,
};

const NEXT_PERMIT = {
  name: 'upstream-rate-next',
  text: `
  SELECT extract(epoch FROM greatest(next_permit_at, cool_down_until) - clock_timestamp())::float8 AS seconds
    FROM upstream_rate WHERE upstream = $1`,
};

const RETURN_PERMITS = `
  UPDATE upstream_rate SET next_permit_at = next_permit_at - make_interval(secs => $2::float8)
   WHERE upstream = $1 AND next_permit_at = $3::timestamptz AND failures = 0`;

/** From the second failure in a row on, requests go one by one. */
const READ_STATE = `
  SELECT CASE WHEN cool_down_until > clock_timestamp() THEN cool_down_until
              WHEN failures > 1 THEN greatest(next_permit_at, clock_timestamp()) END AS until,
         cool_down_until > clock_timestamp()
           OR failures > 1 AND next_permit_at > clock_timestamp() AS "isCooling",
         failures > 1 AS "isProbing"
    FROM upstream_rate WHERE upstream = $1`;

/** A request that began before the cool-down ended says nothing about the time since. */
const END_COOL_DOWN = `
  UPDATE upstream_rate
     SET failures = 0, next_permit_at = least(next_permit_at, clock_timestamp())
   WHERE upstream = $1 AND failures > 0
     AND cool_down_until <= clock_timestamp() - make_interval(secs => $2::float8)
  RETURNING upstream`;

/** $2 cool-downs, $3 Retry-After, $4 jitter, $5 failures at least. Requests that fail together count once; the longest Retry-After holds. */
const BEGIN_COOL_DOWN = `
  INSERT INTO upstream_rate AS rate (upstream, failures, cool_down_until)
  VALUES ($1, $5::integer, clock_timestamp() + make_interval(secs => greatest(($2::float8[])[1] * $4::float8, $3::float8)))
  ON CONFLICT (upstream) DO UPDATE
     SET failures = greatest($5::integer,
           rate.failures + CASE WHEN rate.cool_down_until <= clock_timestamp() THEN 1 ELSE 0 END),
         cool_down_until = clock_timestamp() + make_interval(secs => greatest(
           CASE WHEN rate.cool_down_until <= clock_timestamp()
                THEN ($2::float8[])[least(rate.failures + 1, cardinality($2::float8[]))] * $4::float8 END,
           $3::float8))
   WHERE rate.cool_down_until <= clock_timestamp() + make_interval(secs => greatest($3::float8 - 1, 0))
  RETURNING failures, extract(epoch FROM cool_down_until - clock_timestamp())::float8 AS seconds`;
