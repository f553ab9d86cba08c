import { Socket } from 'node:net';
import { classifyDatabaseError, markDatabaseError } from './database-errors.js';

/** A connection that can be closed once nothing runs on it, or at once. */
export interface DroppableConnection {
  /** Whether a statement or a transaction runs, or the connection is not open yet. */
  readonly isBusy: boolean;
  drop(): void;
  giveUp(): void;
}

interface OpenConnection {
  readonly openedAt: number;
  /** Set by the client that opens the socket. */
  owner?: DroppableConnection;
}

/**
 * All connections of this process to one database, of the pool and the session. After a failover none of them may
 * stay connected to the old primary.
 */
export class DatabaseConnections {
  private static readonly byUrl = new Map<string, DatabaseConnections>();

  private readonly open = new Map<Socket, OpenConnection>();
  private readonly listeners = new Set<(error: unknown) => void>();

  static of(url: string): DatabaseConnections {
    let found = this.byUrl.get(url);
    if (found === undefined) this.byUrl.set(url, (found = new DatabaseConnections()));
    return found;
  }

  /** Creates the socket of a new connection: the option `stream` of `pg`. */
  readonly newSocket = (): Socket => {
    const socket = new Socket();
    this.open.set(socket, { openedAt: performance.now() });
    socket.once('close', () => this.open.delete(socket));
    socket.on('error', (error) => this.report(error));
    return socket;
  };

  /** Makes `owner` decide when the connection over `socket` closes. */
  own(socket: unknown, owner: DroppableConnection): void {
    const connection = socket instanceof Socket ? this.open.get(socket) : undefined;
    if (connection !== undefined) connection.owner = owner;
  }

  /** Notifies the listeners of an error that says that the database is unavailable or read-only. */
  report(error: Error): void {
    markDatabaseError(error);
    if (error instanceof DroppedConnectionError) return;
    const kind = classifyDatabaseError(error);
    if (kind !== 'unavailable' && kind !== 'read_only') return;
    for (const listener of this.listeners) listener(error);
  }

  /** Calls `listener` for every such error. Returns a function that unregisters it. */
  onUnavailable(listener: (error: unknown) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Closes each connection on which something runs, or that is being opened. */
  giveUpBusy(): void {
    for (const { owner } of this.open.values()) if (owner?.isBusy === true) owner.giveUp();
  }

  /** Closes each connection that was opened before `moment`, once nothing runs on it. */
  dropOpenedBefore(moment: number): void {
    for (const [socket, { openedAt, owner }] of this.open) {
      if (openedAt >= moment) continue;
      if (owner === undefined) socket.destroy(new DroppedConnectionError());
      else owner.drop();
    }
  }
}

/** The connection was closed because it may lead to a server that no longer accepts writes. */
export class DroppedConnectionError extends Error {
  readonly code = '25006';

  constructor() {
    super('The connection was dropped: the database is or was read-only');
    this.name = 'DroppedConnectionError';
  }
}
