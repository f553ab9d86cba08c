import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool, PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { Settings } from '../config/settings.js';
import { WatchedClient } from './watched-client.js';

/** What still runs when the time for a stop is over gets this much longer. */
const GRACE_MILLISECONDS = 1000;

/**
 * Lets a stop end while the database is silent: the pool closes only when all its connections have come back,
 * and one that waits for an answer comes back no sooner than `DATABASE_TIMEOUT_SECONDS` say.
 */
@Injectable()
export class DatabaseShutdown implements BeforeApplicationShutdown {
  private readonly busy = new Set<PoolClient>();

  constructor(
    private readonly settings: Settings,
    @InjectDataSource() dataSource: DataSource,
  ) {
    const { master: pool } = dataSource.driver as unknown as { master: Pool };
    pool.on('acquire', (client) => this.busy.add(client));
    pool.on('release', (_error, client) => this.busy.delete(client));
  }

  beforeApplicationShutdown(): void {
    const { SHUTDOWN_TIMEOUT_SECONDS: seconds } = this.settings;
    setTimeout(() => this.giveUp(), seconds * 1000 + GRACE_MILLISECONDS).unref();
  }

  private giveUp(): void {
    for (const client of this.busy) if (client instanceof WatchedClient) client.giveUp();
  }
}
