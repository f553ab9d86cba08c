import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import { DroppedConnectionError, type DatabaseConnections } from './database-connections.js';
import { markDatabaseError } from './database-errors.js';

/** Time limit of an orderly close, for which nothing waits. */
const END_TIMEOUT_MILLISECONDS = 1000;

export interface WatchedClientConfig extends ClientConfig {
  /** Maximum silence of the server during a statement. */
  silenceMillis?: number;
  /** The registry that this connection belongs to. */
  connections?: DatabaseConnections;
}

/** The database did not answer in time, and the connection was destroyed. */
export class SilentDatabaseError extends Error {
  /** As the operating system reports a lost peer. */
  readonly code = 'ETIMEDOUT';

  constructor(milliseconds: number) {
    super(`The database has not answered for ${milliseconds} ms; the connection is closed`);
    this.name = 'SilentDatabaseError';
    markDatabaseError(this);
  }
}

/**
 * A connection that destroys itself when the server goes silent, as after a lost network or a frozen machine. All its
 * statements then fail at once. It is the option `Client` of `pg.Pool`.
 *
 * `query_timeout` of pg does not suffice: it rejects the one query, but the client still waits for the lost answer, so that
 * a ROLLBACK, or the next user of the pooled client, waits behind it.
 *
 * The timeout covers the messages that the server answers with ReadyForQuery (Query and Sync). Received bytes restart it,
 * so a long answer may take longer. `connectionTimeoutMillis` bounds the connecting.
 */
export class WatchedClient extends Client {
  private readonly silenceMillis: number;
  private leaving = false;
  private isRunning = true;
  private isDropped = false;

  constructor(config?: string | WatchedClientConfig) {
    super(config);
    const { silenceMillis = 0, connections } = typeof config === 'object' ? config : {};
    this.silenceMillis = silenceMillis;
    const { connection } = this;
    connections?.own(connection.stream, this);
    const query = connection.query.bind(connection);
    const sync = connection.sync.bind(connection);
    const end = connection.end.bind(connection);
    connection.query = (text) => {
      this.isRunning = true;
      this.watch(this.silenceMillis);
      query(text);
    };
    connection.sync = () => {
      this.isRunning = true;
      this.watch(this.silenceMillis);
      sync();
    };
    connection.end = () => {
      this.leaving = true;
      this.watch(END_TIMEOUT_MILLISECONDS);
      end();
    };
    connection.on('errorMessage', (error: Error) => connections?.report(error));
    connection.on('readyForQuery', ({ status }: { status: string }) => {
      this.watch(0);
      this.isRunning = status !== 'I';
      // The statement receives its answer first.
      if (this.isDropped && !this.isRunning) setImmediate(() => this.drop());
    });
  }

  /** Whether a statement or a transaction runs, or the connection is not open yet. */
  get isBusy(): boolean {
    return this.isRunning;
  }

  /** Destroys the connection once no statement and no transaction runs on it. */
  drop(): void {
    this.isDropped = true;
    if (this.isRunning || this.leaving) return;
    this.connection.stream.destroy(new DroppedConnectionError());
  }

  /** Destroys the connection now, and fails its statements. */
  readonly giveUp = (): void => {
    // A closed client ignores later errors.
    const error = this.leaving ? undefined : new SilentDatabaseError(this.silenceMillis);
    this.connection.stream.destroy(error);
  };

  private watch(milliseconds: number): void {
    // TLS replaces the initial stream.
    const { stream } = this.connection;
    if (!(stream instanceof Socket)) return;
    stream.off('timeout', this.giveUp);
    if (milliseconds > 0) stream.on('timeout', this.giveUp);
    stream.setTimeout(milliseconds);
  }
}
