import type { Settings } from '../config/settings.js';
import { DatabaseConnections } from './database-connections.js';
import { WatchedClient } from './watched-client.js';

/**
 * `work`: statements of milliseconds. `migrations`: statements that may rewrite a table. `session`: the one connection
 * by which others see that a process lives.
 */
export type Purpose = 'work' | 'migrations' | 'session';

export type LimitSettings = Pick<
  Settings,
  'DATABASE_URL' | 'DATABASE_TIMEOUT_SECONDS' | 'DATABASE_SESSION_LIMITS'
>;

/** A statement of a migration may run for this long. Silence is noticed earlier, see `withMigrationLock`. */
const MIGRATION_MILLISECONDS = 3_600_000;

/** PostgreSQL’s own timeout must fire before the connection is closed for its silence. */
const ANSWER_MARGIN_MILLISECONDS = 1000;

/** A session is asked every second. */
const SESSION_SILENCE_MILLISECONDS = 5000;

/** For a free connection of the pool, and for a new one. Its users are people and programs who wait. */
const LONGEST_WAIT_FOR_CONNECTION_MILLISECONDS = 5000;

/**
 * The options by which no connection of the gateway waits for ever, for `pg.Pool`. Two sides need them:
 * the client, which must not wait for an answer that never comes, and the server, which must not keep the
 * locks of a client that has vanished.
 */
export function connectionLimits(settings: LimitSettings, purpose: Purpose = 'work') {
  const statementMillis = settings.DATABASE_TIMEOUT_SECONDS * 1000;
  const silenceMillis = {
    work: statementMillis + ANSWER_MARGIN_MILLISECONDS,
    migrations: MIGRATION_MILLISECONDS + ANSWER_MARGIN_MILLISECONDS,
    session: SESSION_SILENCE_MILLISECONDS,
  }[purpose];
  const connections = DatabaseConnections.of(settings.DATABASE_URL ?? '');
  return {
    Client: WatchedClient,
    connections,
    stream: connections.newSocket,
    silenceMillis,
    connectionTimeoutMillis: Math.min(statementMillis, LONGEST_WAIT_FOR_CONNECTION_MILLISECONDS),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...(settings.DATABASE_SESSION_LIMITS === 'on' ? sessionLimits(statementMillis, purpose) : {}),
  };
}

const SILENCE_OPTIONS = {
  idle_session_timeout: 60_000,
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 5,
  tcp_keepalives_count: 4,
  tcp_user_timeout: 30_000,
};

/** A lost machine or network, and a process that hangs, lose the locks of their session within ten seconds. */
const SESSION_OPTIONS = {
  idle_session_timeout: 10_000,
  tcp_keepalives_idle: 3,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 10_000,
};

/**
 * What the server is asked to do in every session, as options of its start: in force from the first
 * statement on, without a round trip.
 *
 * - running: `statement_timeout`. A migration has none; for it, `client_connection_check_interval`
 *   finds out that nobody waits for the statement any more (not known on Windows).
 * - idle in a transaction: the gateway never thinks for long while it holds locks.
 * - idle otherwise: pools close what is idle for 10 s, and the listening connections speak every 10 s.
 *   A minute of silence is a client that is gone, also where something in between keeps the
 *   connection up; a session holds the lock of the migrations.
 * - the network itself: lost peers are found in half a minute instead of hours.
 */
function sessionLimits(statementMillis: number, purpose: Purpose) {
  const options: Record<string, number> = {
    ...(purpose === 'session' ? SESSION_OPTIONS : SILENCE_OPTIONS),
  };
  if (purpose === 'migrations' && process.platform !== 'win32') {
    options['client_connection_check_interval'] = 5000;
  }
  return {
    ...(purpose === 'migrations' ? {} : { statement_timeout: statementMillis }),
    idle_in_transaction_session_timeout: 2 * statementMillis,
    options: Object.entries(options)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
}
