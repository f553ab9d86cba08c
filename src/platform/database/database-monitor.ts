import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { OUTAGE_OVER } from '../logging/outage-log.js';
import { connectionLimits } from './connection-limits.js';
import { DatabaseConnections } from './database-connections.js';
import { classifyDatabaseError } from './database-errors.js';
import { requireWritable } from './database-requirements.js';
import { WatchedClient } from './watched-client.js';

const PROBE_MILLISECONDS = 500;

/**
 * Detects the end of a database outage with probes over separate connections. During and after a read-only phase it drops
 * every connection that may lead to the old primary.
 */
@Injectable()
export class DatabaseMonitor implements OnApplicationShutdown {
  private readonly logger = new Logger('Database');
  private readonly connections: DatabaseConnections;
  private readonly stopped = new AbortController();
  private readonly unsubscribe: () => void;
  private readonly listeners: (() => void)[] = [];
  private outage: Promise<void> | undefined;
  /** An error was reported since the last probe began. */
  private hasErred = false;
  /** Connections to the read-only server may be open. */
  private isReadOnly = false;

  constructor(private readonly settings: Settings) {
    this.connections = DatabaseConnections.of(settings.DATABASE_URL ?? '');
    this.unsubscribe = this.connections.onUnavailable((error) => this.note(error));
  }

  /** Calls `listener` whenever the database is available again after an outage. */
  onAvailable(listener: () => void): void {
    this.listeners.push(listener);
  }

  onApplicationShutdown(): void {
    this.unsubscribe();
    this.stopped.abort();
  }

  private note(thrown: unknown): void {
    this.hasErred = true;
    if (classifyDatabaseError(thrown) === 'read_only' && !this.isReadOnly) {
      this.isReadOnly = true;
      this.connections.dropOpenedBefore(performance.now());
    }
    if (this.stopped.signal.aborted) return;
    this.outage ??= this.follow().finally(() => (this.outage = undefined));
  }

  private async follow(): Promise<void> {
    let wasAvailable = false;
    for (;;) {
      await this.pause();
      if (this.stopped.signal.aborted) return;
      this.hasErred = false;
      const begin = performance.now();
      const isAvailable = await this.probe();
      if (isAvailable && !wasAvailable) this.becomeAvailable(begin);
      // An error during a successful probe comes from an older connection or from a lasting overload.
      if (isAvailable && !this.hasErred) break;
      wasAvailable = isAvailable;
    }
    this.logger.warn({ msg: 'the database is available again', [OUTAGE_OVER]: true });
  }

  private becomeAvailable(since: number): void {
    if (this.isReadOnly) this.connections.dropOpenedBefore(since);
    this.isReadOnly = false;
    for (const listener of this.listeners) listener();
  }

  private async probe(): Promise<boolean> {
    const client = new WatchedClient({
      connectionString: this.settings.DATABASE_URL,
      ...connectionLimits(this.settings),
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await requireWritable(async (sql) => (await client.query<Record<string, unknown>>(sql)).rows);
      return true;
    } catch (error) {
      this.logger.warn({ msg: 'a probe of the database failed', err: error });
      return false;
    } finally {
      client.end().catch(() => undefined);
    }
  }

  private async pause(): Promise<void> {
    const { signal } = this.stopped;
    const options = { signal, ref: false };
    await setTimeout(PROBE_MILLISECONDS, undefined, options).catch(() => undefined);
  }
}
