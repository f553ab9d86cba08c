import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { Settings } from '../config/settings.js';
import { WatchedClient } from './watched-client.js';

/** Extra time for statements that run when the shutdown deadline passes, and for each one that begins later. */
const GRACE_MILLISECONDS = 1000;

/**
 * Ends a shutdown while the database is silent: the pool closes only after all its connections are released, and one that
 * waits for an answer is released after `DATABASE_TIMEOUT_SECONDS` at the earliest.
 */
@Injectable()
export class DatabaseShutdown implements BeforeApplicationShutdown {
  private readonly busy = new Set<PoolClient>();
  private isOverdue = false;

  constructor(
    private readonly settings: Settings,
    @InjectDataSource() dataSource: DataSource,
  ) {
    const { master: pool } = dataSource.driver as unknown as { master: Pool };
    pool.on('acquire', (client) => {
      this.busy.add(client);
      if (this.isOverdue) this.giveUpAfter(GRACE_MILLISECONDS, [client]);
    });
    pool.on('release', (_error, client) => this.busy.delete(client));
  }

  beforeApplicationShutdown(): void {
    const { SHUTDOWN_TIMEOUT_SECONDS: seconds } = this.settings;
    this.giveUpAfter(seconds * 1000 + GRACE_MILLISECONDS, this.busy);
  }

  private giveUpAfter(milliseconds: number, clients: Iterable<PoolClient>): void {
    setTimeout(() => {
      this.isOverdue = true;
      for (const client of clients) {
        if (this.busy.has(client) && client instanceof WatchedClient) client.giveUp();
      }
    }, milliseconds).unref();
  }
}
