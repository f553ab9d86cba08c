import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { Settings } from '../config/settings.js';
import { ShutdownDeadline } from '../config/shutdown-deadline.js';
import { DatabaseConnections } from './database-connections.js';
import { WatchedClient } from './watched-client.js';

/** Extra time for statements that run when the shutdown deadline passes, and for each statement and connect that begins later. */
const GRACE_MILLISECONDS = 1000;

/**
 * Ends a shutdown while the database is silent: the pool closes only after all its connections are released, and one that
 * waits for an answer is released after `DATABASE_TIMEOUT_SECONDS` at the earliest. The time counts from the begin of the
 * shutdown, because other parts may have used it up before this one is called.
 */
@Injectable()
export class DatabaseShutdown implements BeforeApplicationShutdown {
  private readonly pool: Pool;
  private readonly connections: DatabaseConnections;
  private readonly acquired = new Set<PoolClient>();
  private isOverdue = false;

  constructor(
    settings: Settings,
    private readonly deadline: ShutdownDeadline,
    @InjectDataSource() dataSource: DataSource,
  ) {
    this.connections = DatabaseConnections.of(settings.DATABASE_URL ?? '');
    this.pool = (dataSource.driver as unknown as { master: Pool }).master;
    this.pool.on('acquire', (client) => {
      this.acquired.add(client);
      if (this.isOverdue) setTimeout(() => this.giveUp(client), GRACE_MILLISECONDS).unref();
    });
    this.pool.on('release', (_error, client) => this.acquired.delete(client));
  }

  beforeApplicationShutdown(): void {
    const milliseconds = this.deadline.leftMilliseconds + GRACE_MILLISECONDS;
    setTimeout(() => this.giveUpAll(), milliseconds).unref();
  }

  private giveUpAll(): void {
    this.isOverdue = true;
    this.pool.options.connectionTimeoutMillis = GRACE_MILLISECONDS;
    this.connections.giveUpBusy();
    for (const client of this.acquired) this.giveUp(client);
  }

  private giveUp(client: PoolClient): void {
    if (this.acquired.has(client) && client instanceof WatchedClient) client.giveUp();
  }
}
