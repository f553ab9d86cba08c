import { setTimeout } from 'node:timers/promises';
import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { connectionLimits } from '../database/connection-limits.js';
import { WatchedClient } from '../database/watched-client.js';

/** One statement on the session. */
export type Query = <Row extends object>(
  text: string,
  parameters?: readonly unknown[],
) => Promise<Row[]>;

/** A part that lives on the session. An error that it throws closes the session, which is opened again. */
export interface SessionUser {
  /** The session is open, for the first time or again: what was bound to the last one is gone. */
  opened(query: Query): Promise<void>;
  /** Every second while the session is open. */
  beat?(query: Query): Promise<void>;
  closed?(): void;
  notified?(message: string): void;
}

/** `application_name` of sessions. */
export const SESSION_NAME = 'reducto-gateway-session';

const BEAT_MILLISECONDS = 1000;
const RETRY_MILLISECONDS = 250;

/**
 * The one connection that is bound to this process and is never shared: it listens, and it holds the locks by which
 * others see that the process lives. PostgreSQL ends it ten seconds after its last beat.
 */
@Injectable()
export class DatabaseSession implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Database');
  private readonly users: SessionUser[] = [];
  private readonly stopping = new AbortController();
  private client: WatchedClient | undefined;
  /** While the session is open. */
  private query: Query | undefined;
  private isLost = false;

  constructor(private readonly settings: Settings) {}

  /** Call in `onModuleInit`. Without a user there is no session. */
  use(user: SessionUser): void {
    this.users.push(user);
  }

  /** Does `work` in one process at a time; `undefined` if another one does it, or the session is not open. */
  async withLock<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    const query = this.query;
    if (query === undefined) return undefined;
    const [lock] = await query<{ taken: boolean }>(TRY_LOCK, [name]);
    if (lock?.taken !== true) return undefined;
    try {
      return await work();
    } finally {
      await query(UNLOCK, [name]).catch(() => undefined);
    }
  }

  onApplicationBootstrap(): void {
    if (this.users.length > 0) void this.keepOpen();
  }

  onApplicationShutdown(): void {
    this.stopping.abort();
    this.client?.end().catch(() => undefined);
  }

  private async keepOpen(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.holdOpen();
      } catch (error) {
        if (!this.isLost && !signal.aborted) {
          this.logger.warn({ msg: 'the session with the database is lost', err: error });
        }
      }
      this.isLost = true;
      await pause(RETRY_MILLISECONDS, signal);
    }
  }

  /** Opens the session and returns when it is closed. */
  private async holdOpen(): Promise<void> {
    const { signal } = this.stopping;
    const client = new WatchedClient({
      connectionString: this.settings.DATABASE_URL,
      application_name: SESSION_NAME,
      ...connectionLimits(this.settings, 'session'),
    });
    this.client = client;
    const closed = new AbortController();
    let cause: unknown;
    client.on('error', (error) => (cause = error));
    client.once('end', () => closed.abort());
    client.on('notification', ({ payload = '' }) => {
      for (const user of this.users) user.notified?.(payload);
    });
    const query: Query = async <Row extends object>(
      text: string,
      parameters: readonly unknown[] = [],
    ) => (await client.query<Row>(text, [...parameters])).rows;
    try {
      await client.connect();
      for (const user of this.users) await user.opened(query);
      this.query = query;
      if (this.isLost) this.logger.log('the session with the database is open again');
      this.isLost = false;
      while (!closed.signal.aborted && !signal.aborted) {
        await pause(BEAT_MILLISECONDS, closed.signal);
        if (closed.signal.aborted || signal.aborted) break;
        await query('SELECT 1');
        for (const user of this.users) await user.beat?.(query);
      }
      if (!signal.aborted) throw cause ?? new Error('the database closed the session');
    } finally {
      this.query = undefined;
      for (const user of this.users) user.closed?.();
      client.end().catch(() => undefined);
    }
  }
}

const TRY_LOCK = 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken';
const UNLOCK = 'SELECT pg_advisory_unlock(hashtextextended($1, 0))';

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}
