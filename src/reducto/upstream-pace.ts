import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Settings } from '../platform/config/settings.js';
import { rows } from '../platform/database/sql.js';
import { UpstreamFigures } from './upstream-figures.js';

/** Leave to ask Reducto now, or how long to stay away. */
export type Turn =
  { readonly granted: true } | { readonly granted: false; readonly seconds: number };

/** How long a caller is kept waiting for its turn; beyond that it is sent away. */
const PATIENCE_SECONDS = 5;
/** What may be asked at once after a quiet time. */
const BURST_SECONDS = 0.25;
/** While Reducto is in trouble, and until it answers properly again. */
const PROBES_PER_SECOND = 1;
/** Waits after the first, second, … trouble in a row; the last one repeats. */
const HOLDS_SECONDS = [0.5, 1, 2, 4, 8, 15];
const MOST_TURNS_AT_ONCE = 50;
/** However many jobs are read, the hold is read no more often. */
const HOLD_READ_MILLISECONDS = 1000;

/**
 * How fast Reducto may be asked about jobs, by all processes together: the cap is per API key, so
 * the count is one row in the database. Turns are given out in the order of asking, evenly spaced;
 * callers that ask together are served by one statement.
 *
 * Trouble (no answer, 429, 5xx, nonsense) holds everybody back, longer each time, and then lets
 * single looks through until one succeeds.
 */
@Injectable()
export class UpstreamPace {
  private readonly logger = new Logger(UpstreamPace.name);
  private readonly upstream: string;
  private readonly perSecond: number;
  private waiting: { resolve: (turn: Turn) => void; reject: (error: unknown) => void }[] = [];
  private serving = false;
  private hold: { readonly readAt: number; readonly until: Promise<Date | null> } | undefined;
  private troubled = false;

  constructor(
    settings: Settings,
    private readonly figures: UpstreamFigures,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.upstream = settings.REDUCTO_BASE_URL.origin;
    this.perSecond = settings.REDUCTO_LOOKS_PER_SECOND;
  }

  /** Resolves when it is the caller's turn, or with how long to stay away. */
  turn(): Promise<Turn> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      if (!this.serving) void this.serve();
    });
  }

  /** Seconds for which nobody may ask; 0 when all is well. */
  async heldSeconds(): Promise<number> {
    const [row] = await rows<{ seconds: number }>(this.database, HELD, [this.upstream]);
    return Math.max(row?.seconds ?? 0, 0);
  }

  /** When Reducto may be asked again, while it may not; as of a second ago at most. */
  async heldUntil(): Promise<Date | null> {
    const now = performance.now();
    if (this.hold === undefined || now - this.hold.readAt > HOLD_READ_MILLISECONDS) {
      const held = rows<{ until: Date | null }>(this.database, HELD_UNTIL, [this.upstream]);
      this.hold = { readAt: now, until: held.then(([row]) => row?.until ?? null) };
      this.hold.until.catch(() => (this.hold = undefined));
    }
    return this.hold.until;
  }

  /** Call with what came of each request. `retryAfterSeconds`: as Reducto asked for it. */
  async report(outcome: 'answered' | 'trouble', retryAfterSeconds = 0): Promise<void> {
    if (outcome === 'answered') {
      if (!this.troubled) return;
      this.troubled = false;
      await rows(this.database, RECOVERED, [this.upstream]);
      return;
    }
    this.troubled = true;
    const [hold] = await rows<{ troubles: number; seconds: number }>(this.database, TROUBLE, [
      this.upstream,
      HOLDS_SECONDS,
      retryAfterSeconds,
      0.9 + Math.random() * 0.2,
    ]);
    // No row: somebody else has reported the same trouble, and everybody is held already.
    if (hold === undefined) return;
    this.figures.held();
    this.logger.warn({ msg: 'Reducto is in trouble; looks are held back', ...hold });
  }

  private async serve(): Promise<void> {
    this.serving = true;
    while (this.waiting.length > 0) {
      const callers = this.waiting.splice(0, this.troubled ? 1 : MOST_TURNS_AT_ONCE);
      try {
        const turns = await this.ask(callers.length);
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

  /** The wait of each of `count` callers in seconds, or that it is sent away. */
  private async ask(count: number): Promise<(number | Turn)[]> {
    const [row] = await rows<{ troubles: number; wait: number; spacing: number }>(
      this.database,
      TAKE_TURNS,
      [
        this.upstream,
        count,
        1 / this.perSecond,
        1 / PROBES_PER_SECOND,
        BURST_SECONDS,
        PATIENCE_SECONDS,
      ],
    );
    if (row !== undefined) {
      this.troubled = row.troubles > 0;
      return Array.from({ length: count }, (_, n) => row.wait + n * row.spacing);
    }
    const [held] = await rows<{ seconds: number }>(this.database, NEXT_TURN, [this.upstream]);
    const seconds = Math.max(held?.seconds ?? 0, 0.1);
    return Array.from({ length: count }, () => ({ granted: false, seconds }));
  }
}

/**
 * $1 deployment, $2 turns, $3 spacing, $4 spacing of probes, $5 burst, $6 patience; all in seconds. One
 * trouble alone is a short pause; only a second one in a row makes looks go through one by one, and then
 * nobody books far ahead, because one success ends it.
 */
const TAKE_TURNS = `
  INSERT INTO upstream_pace AS pace (upstream, next_turn_at)
  VALUES ($1, clock_timestamp() + make_interval(secs => $2 * $3::float8))
  ON CONFLICT (upstream) DO UPDATE
     SET next_turn_at =
           greatest(pace.next_turn_at, pace.held_until,
                    clock_timestamp() - make_interval(secs => $5))
           + make_interval(secs => $2 * CASE WHEN pace.troubles > 1 THEN $4::float8 ELSE $3 END)
   WHERE greatest(pace.next_turn_at, pace.held_until) <= clock_timestamp()
         + make_interval(secs => CASE WHEN pace.troubles > 1 THEN $4::float8 ELSE $6::float8 END)
  RETURNING troubles,
    CASE WHEN troubles > 1 THEN $4::float8 ELSE $3 END AS spacing,
    extract(epoch FROM next_turn_at - clock_timestamp())::float8
      - $2 * CASE WHEN troubles > 1 THEN $4::float8 ELSE $3 END AS wait`;

const NEXT_TURN = `
  SELECT extract(epoch FROM greatest(next_turn_at, held_until) - clock_timestamp())::float8 AS seconds
    FROM upstream_pace WHERE upstream = $1`;

const HELD = `
  SELECT extract(epoch FROM held_until - clock_timestamp())::float8 AS seconds
    FROM upstream_pace WHERE upstream = $1`;

/** From the second trouble in a row on, polls go through one by one. */
const HELD_UNTIL = `
  SELECT CASE WHEN held_until > clock_timestamp() THEN held_until
              WHEN troubles > 1 THEN greatest(next_turn_at, clock_timestamp()) END AS until
    FROM upstream_pace WHERE upstream = $1`;

const RECOVERED = `
  UPDATE upstream_pace
     SET troubles = 0,
         held_until = least(held_until, clock_timestamp()),
         next_turn_at = least(next_turn_at, clock_timestamp())
   WHERE upstream = $1 AND troubles > 0`;

/** $2 the list of holds, $3 what Reducto asked for, $4 jitter. Looks that fail together count once. */
const TROUBLE = `
  INSERT INTO upstream_pace AS pace (upstream, troubles, held_until)
  VALUES ($1, 1, clock_timestamp() + make_interval(secs => greatest(($2::float8[])[1] * $4::float8, $3::float8)))
  ON CONFLICT (upstream) DO UPDATE
     SET troubles = pace.troubles + 1,
         held_until = clock_timestamp() + make_interval(secs => greatest(
           ($2::float8[])[least(pace.troubles + 1, cardinality($2::float8[]))] * $4::float8, $3::float8))
   WHERE pace.held_until <= clock_timestamp()
  RETURNING troubles, extract(epoch FROM held_until - clock_timestamp())::float8 AS seconds`;
