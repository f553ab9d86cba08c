import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { ObservableGauge } from '@opentelemetry/api';
import { DataSource } from 'typeorm';
import { rows } from '../database/sql.js';
import { Metrics } from './metrics.js';

/** The state of a connection pool. */
export interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  /** Callers waiting for a connection. */
  readonly waiting: number;
  readonly max: number;
}

interface WatchedPool {
  readonly counts: () => PoolCounts | undefined;
  /** Samples of the last seconds, the newest last. */
  readonly samples: PoolCounts[];
}

/** Pools are sampled on a timer, because a scrape itself uses a connection. */
const SAMPLE_MILLISECONDS = 1000;
/** A short queue between two scrapes must show. */
const SAMPLES_OF_WAITING = 15;
/** The size changes slowly, and reading it scans the directory of the database. */
const SIZE_FRESH_MILLISECONDS = 60_000;

/** Metrics of database connections and of the database’s size. */
@Injectable()
export class PoolMetrics implements OnApplicationShutdown {
  private readonly pools = new Map<string, WatchedPool>();
  private readonly sampling = setInterval(() => this.sample(), SAMPLE_MILLISECONDS).unref();
  private size: { at: number; bytes: Promise<number> } | undefined;

  constructor(
    metrics: Metrics,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {
    this.describe(metrics);
    this.watch('requests', () => poolOf(dataSource));
  }

  /** Adds a pool under the label `pool`; `undefined` while it is not open. */
  watch(pool: string, counts: () => PoolCounts | undefined): void {
    this.pools.set(pool, { counts, samples: [] });
  }

  /** Samples the pools; called every second. */
  sample(): void {
    for (const { counts, samples } of this.pools.values()) {
      const now = counts();
      if (now !== undefined) samples.push(now);
      if (samples.length > SAMPLES_OF_WAITING) samples.shift();
    }
  }

  onApplicationShutdown(): void {
    clearInterval(this.sampling);
  }

  private describe({ meter }: Metrics): void {
    const connections = meter.createObservableGauge('gateway_database_connections', {
      description: 'Connections to the database, by pool and by state (used, idle)',
    });
    const waiting = meter.createObservableGauge('gateway_database_waiting', {
      description:
        'Maximum number of callers that waited for a connection in the last 15 s, by pool',
    });
    const max = meter.createObservableGauge('gateway_database_connections_max', {
      description: 'Maximum number of connections, by pool',
    });
    const instruments: ObservableGauge[] = [connections, waiting, max];
    meter.addBatchObservableCallback((result) => {
      for (const [pool, { samples }] of this.pools) {
        const now = samples.at(-1);
        if (now === undefined) continue;
        result.observe(connections, now.total - now.idle, { pool, state: 'used' });
        result.observe(connections, now.idle, { pool, state: 'idle' });
        result.observe(waiting, Math.max(...samples.map((sample) => sample.waiting)), { pool });
        result.observe(max, now.max, { pool });
      }
    }, instruments);
    meter
      .createObservableGauge('gateway_database_bytes', {
        description: 'Size of the database; all processes report the same value',
      })
      .addCallback(async (result) => result.observe(await this.bytes()));
  }

  private bytes(): Promise<number> {
    const now = performance.now();
    if (this.size === undefined || now - this.size.at > SIZE_FRESH_MILLISECONDS) {
      this.size = { at: now, bytes: this.ask() };
      // The next scrape retries a failed query.
      this.size.bytes.catch(() => (this.size = undefined));
    }
    return this.size.bytes;
  }

  private async ask(): Promise<number> {
    const [row] = await rows<{ bytes: string }>(
      this.dataSource.manager,
      'SELECT pg_database_size(current_database()) AS bytes',
    );
    return Number(row?.bytes ?? 0);
  }
}

/** The pool of `pg` in TypeORM's driver, which has no type for it. */
function poolOf({ driver }: DataSource): PoolCounts | undefined {
  const pool: unknown = 'master' in driver ? driver.master : undefined;
  if (typeof pool !== 'object' || pool === null) return undefined;
  const {
    totalCount,
    idleCount,
    waitingCount,
    options = {},
  } = pool as {
    totalCount?: number;
    idleCount?: number;
    waitingCount?: number;
    options?: { max?: number };
  };
  if (totalCount === undefined || idleCount === undefined) return undefined;
  return { total: totalCount, idle: idleCount, waiting: waitingCount ?? 0, max: options.max ?? 0 };
}
