import { setTimeout } from 'node:timers/promises';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Settings } from '../platform/config/settings.js';
import { DatabaseConnections } from '../platform/database/database-connections.js';
import {
  ReadOnlyDatabaseError,
  requireWritable,
} from '../platform/database/database-requirements.js';
import { WatchedClient } from '../platform/database/watched-client.js';

export type CheckResult = 'up' | 'down';

export interface ReadinessReport {
  readonly status: CheckResult;
  readonly checks: Record<string, CheckResult>;
}

/** Longer than a healthy answer takes, and about what the most impatient probers wait. */
const TIMEOUT_MILLISECONDS = 900;

@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private stopping = false;
  private asking: Promise<CheckResult> | undefined;

  private readonly connections: DatabaseConnections;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    settings: Settings,
  ) {
    this.connections = DatabaseConnections.of(settings.DATABASE_URL ?? '');
  }

  /** From here on a load balancer should send new requests elsewhere. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** How the process stands: up where all is, and every dependency by name. */
  async report(): Promise<ReadinessReport> {
    const checks = { database: await this.database(), process: this.process() };
    const up = Object.values(checks).every((result) => result === 'up');
    return { status: up ? 'up' : 'down', checks };
  }

  private process(): CheckResult {
    return this.stopping ? 'down' : 'up';
  }

  /** One question at a time, however many ask: probes shall not use up the pool that they look at. */
  private database(): Promise<CheckResult> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  }

  private async ask(): Promise<CheckResult> {
    const late = new AbortController();
    const answer = this.answers(late.signal).catch(() => false);
    const patience = setTimeout(TIMEOUT_MILLISECONDS, false, { ref: false });
    const up = await Promise.race([answer, patience]);
    if (!up) late.abort();
    return up ? 'up' : 'down';
  }

  /** A connection that is found silent is given up, so that the next probe sees another one. */
  private async answers(late: AbortSignal): Promise<boolean> {
    const runner = this.dataSource.createQueryRunner();
    let giveUp = (): void => undefined;
    try {
      const connection: unknown = await runner.connect();
      if (late.aborted) return false;
      if (connection instanceof WatchedClient) giveUp = connection.giveUp;
      late.addEventListener('abort', giveUp);
      await requireWritable((sql) => runner.query(sql) as Promise<Record<string, unknown>[]>);
      return true;
    } catch (error) {
      // A read succeeds on a read-only server, so nothing else may have noticed yet.
      if (error instanceof ReadOnlyDatabaseError) this.connections.report(error);
      throw error;
    } finally {
      late.removeEventListener('abort', giveUp);
      await runner.release();
    }
  }
}
