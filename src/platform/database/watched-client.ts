import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import { DroppedConnectionError, type DatabaseConnections } from './database-connections.js';
import { markDatabaseError } from './database-errors.js';

/** Time limit for an orderly close. Nothing waits for it. */
const END_TIMEOUT_MILLISECONDS = 1000;

export interface WatchedClientConfig extends ClientConfig {
  /** For how long nothing may arrive while an answer is owed. */
  silenceMillis?: number;
  /** Those that this connection is one of. */
  connections?: DatabaseConnections;
}

/** The database owed an answer and sent nothing; its connection has been destroyed. */
export class SilentDatabaseError extends Error {
  /** What the operating system would say, had it noticed. */
  readonly code = 'ETIMEDOUT';

  constructor(milliseconds: number) {
    super(`The database has not answered for ${milliseconds} ms; the connection is closed`);
    this.name = 'SilentDatabaseError';
    markDatabaseError(this);
  }
}

/**
 * A connection that destroys itself when the database goes silent: a cable was pulled, a firewall
 * forgot the connection, the machine froze. Everything that waits for it then fails at once.
 *
 * `query_timeout` of pg is not enough. It rejects the one query and leaves the client as it is,
 * waiting for the lost answer; a pool that is not told takes it back, and the next user queues
 * behind that answer. For the same reason a ROLLBACK after it waits as long again.
 *
 * It watches the two messages that the server answers with ReadyForQuery, Query and Sync. Bytes
 * that arrive begin the time anew, so a long answer may take longer. Give this class to `pg.Pool`
 * as its option `Client`. To connect is bounded by `connectionTimeoutMillis`.
 */
export class WatchedClient extends Client {
  private readonly silenceMillis: number;
  private leaving = false;
  /** A statement or a transaction runs, or the connection is not open yet. */
  private isBusy = true;
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
      this.isBusy = true;
      this.watch(this.silenceMillis);
      query(text);
    };
    connection.sync = () => {
      this.isBusy = true;
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
      this.isBusy = status !== 'I';
      // The statement gets its answer first.
      if (this.isDropped && !this.isBusy) setImmediate(() => this.drop());
    });
  }

  /** Destroys the connection as soon as no statement and no transaction runs on it. */
  drop(): void {
    this.isDropped = true;
    if (this.isBusy || this.leaving) return;
    this.connection.stream.destroy(new DroppedConnectionError());
  }

  /** Destroys the connection now; what waits for an answer fails. */
  readonly giveUp = (): void => {
    // A closed client ignores later errors.
    const error = this.leaving ? undefined : new SilentDatabaseError(this.silenceMillis);
    this.connection.stream.destroy(error);
  };

  private watch(milliseconds: number): void {
    // With TLS, the stream is another one than at the beginning.
    const { stream } = this.connection;
    if (!(stream instanceof Socket)) return;
    stream.off('timeout', this.giveUp);
    if (milliseconds > 0) stream.on('timeout', this.giveUp);
    stream.setTimeout(milliseconds);
  }
}
