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

/** Longer than a healthy answer takes, and below the common timeout of health checks (1 s). */
const TIMEOUT_MILLISECONDS = 900;

@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private stopping = false;
  private check: Promise<CheckResult> | undefined;

  private readonly connections: DatabaseConnections;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    settings: Settings,
  ) {
    this.connections = DatabaseConnections.of(settings.DATABASE_URL ?? '');
  }

  /** Reports `down`, so that a load balancer stops sending requests. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
  }

  get isStopping(): boolean {
    return this.stopping;
  }

  /** `up` if every check is up. */
  async report(): Promise<ReadinessReport> {
    const checks = { database: await this.database(), process: this.process() };
    const up = Object.values(checks).every((result) => result === 'up');
    return { status: up ? 'up' : 'down', checks };
  }

  private process(): CheckResult {
    return this.stopping ? 'down' : 'up';
  }

  /** Concurrent requests share one check, so that they do not exhaust the pool. */
  private database(): Promise<CheckResult> {
    this.check ??= this.checkDatabase().finally(() => (this.check = undefined));
    return this.check;
  }

  private async checkDatabase(): Promise<CheckResult> {
    const timeout = new AbortController();
    const answer = this.isWritable(timeout.signal).catch(() => false);
    const timer = setTimeout(TIMEOUT_MILLISECONDS, false, { ref: false });
    const up = await Promise.race([answer, timer]);
    if (!up) timeout.abort();
    return up ? 'up' : 'down';
  }

  /** Closes a silent connection, so that the next check uses another one. */
  private async isWritable(timeout: AbortSignal): Promise<boolean> {
    const runner = this.dataSource.createQueryRunner();
    let giveUp = (): void => undefined;
    try {
      const connection: unknown = await runner.connect();
      if (timeout.aborted) return false;
      if (connection instanceof WatchedClient) giveUp = connection.giveUp;
      timeout.addEventListener('abort', giveUp);
      await requireWritable((sql) => runner.query(sql) as Promise<Record<string, unknown>[]>);
      return true;
    } catch (error) {
      // Reads succeed on a read-only server, so no other error may have reported it.
      if (error instanceof ReadOnlyDatabaseError) this.connections.report(error);
      throw error;
    } finally {
      timeout.removeEventListener('abort', giveUp);
      await runner.release();
    }
  }
}
