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

/** Time limit of a statement in a migration. `withMigrationLock` detects a silent database earlier. */
const MIGRATION_MILLISECONDS = 3_600_000;

/** PostgreSQL’s own timeout must fire before the connection is closed for its silence. */
const ANSWER_MARGIN_MILLISECONDS = 1000;

/** A session is probed every second. */
const SESSION_SILENCE_MILLISECONDS = 5000;
/** A worker must have its lock again before others may take it for dead. */
const SESSION_CONNECT_MILLISECONDS = 1500;

/** Time limit to get a connection from the pool or to open one. */
const LONGEST_WAIT_FOR_CONNECTION_MILLISECONDS = 5000;

/**
 * Options of `pg.Pool` that bound every wait, on both sides: the client must not wait for an answer that never comes, and
 * the server must not keep the locks of a client that is gone.
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
    connectionTimeoutMillis: Math.min(
      statementMillis,
      purpose === 'session'
        ? SESSION_CONNECT_MILLISECONDS
        : LONGEST_WAIT_FOR_CONNECTION_MILLISECONDS,
    ),
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

/**
 * The statements of the gateway have indexes. Prepared ones are planned once, and while the tables of a new database are
 * small PostgreSQL would plan to read them whole.
 */
const PLANS = { enable_seqscan: 'off', jit: 'off' };

/** A lost machine or network, and a process that hangs, lose the locks of their session within ten seconds. */
const SESSION_OPTIONS = {
  idle_session_timeout: 10_000,
  tcp_keepalives_idle: 3,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 10_000,
};

/**
 * Settings of each session, sent as startup options: they apply from the first statement on, without a round trip.
 *
 * - running: `statement_timeout`. A migration has none; `client_connection_check_interval` ends its statement if the
 *   client is gone (not on Windows).
 * - idle in a transaction: the gateway never holds locks for long between statements.
 * - idle otherwise: the pool closes connections that are idle for 10 s, and a session sends a query each second. After
 *   a minute of silence, or 10 s of a session, the client is gone, even if a proxy keeps the connection open.
 * - TCP keepalive: detects lost peers within 30 s, or 10 s for a session, instead of hours.
 */
function sessionLimits(statementMillis: number, purpose: Purpose) {
  const options: Record<string, number | string> = {
    ...(purpose === 'session' ? SESSION_OPTIONS : SILENCE_OPTIONS),
  };
  if (purpose === 'work') Object.assign(options, PLANS);
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
