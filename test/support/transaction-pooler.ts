import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Client } from 'pg';

/** A pooler in transaction mode: any number of clients share a few sessions of the server. */
export interface TransactionPooler {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * It answers the startup message itself and assigns a server session from the first message of a statement
 * until ReadyForQuery reports "idle".
 *
 * @param order the next idle session: the one returned last (`newest`) or first (`oldest`).
 */
export async function startTransactionPooler(
  databaseUrl: string,
  sessions: number,
  order: 'newest' | 'oldest',
): Promise<TransactionPooler> {
  const servers = await Promise.all(
    Array.from({ length: sessions }, () => openSession(databaseUrl)),
  );
  const idle = [...servers];
  const waiting: ((server: ServerSession) => void)[] = [];
  const lend = (take: (server: ServerSession) => void): void => {
    const server = order === 'newest' ? idle.pop() : idle.shift();
    if (server === undefined) waiting.push(take);
    else take(server);
  };
  const giveBack = (server: ServerSession): void => {
    const next = waiting.shift();
    if (next === undefined) idle.push(server);
    else next(server);
  };
  const clients = new Set<Socket>();
  const listener = createServer((socket) => {
    clients.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => clients.delete(socket));
    serve(socket, lend, giveBack);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(databaseUrl);
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    close: async () => {
      for (const client of clients) client.destroy();
      for (const { socket } of servers) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

interface ServerSession {
  readonly socket: Socket;
  onMessage: (message: Buffer) => void;
}

/** Opens a session with `pg` and takes over its socket. */
async function openSession(databaseUrl: string): Promise<ServerSession> {
  const client = new Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  const socket = client.connection.stream as Socket;
  socket.removeAllListeners('data');
  const session: ServerSession = { socket, onMessage: () => undefined };
  const read = messageReader((message) => session.onMessage(message));
  socket.on('data', read);
  return session;
}

function serve(
  socket: Socket,
  lend: (take: (server: ServerSession) => void) => void,
  giveBack: (server: ServerSession) => void,
): void {
  let started = false;
  let server: ServerSession | undefined;
  let isAsking = false;
  let unsent: Buffer[] = [];
  const flush = (): void => {
    for (const message of unsent.splice(0)) server?.socket.write(message);
  };
  const borrow = (): void => {
    if (isAsking) return;
    isAsking = true;
    lend((lent) => {
      isAsking = false;
      server = lent;
      lent.onMessage = (message) => {
        socket.write(message);
        if (message[0] !== CODES.readyForQuery || message[5] !== CODES.idle) return;
        server = undefined;
        giveBack(lent);
      };
      flush();
    });
  };
  const read = messageReader((message) => {
    if (message[0] === CODES.terminate) return void socket.end();
    unsent.push(message);
    if (server === undefined) borrow();
    else flush();
  });
  socket.on('data', (bytes: Buffer) => {
    if (started) return read(bytes);
    if (bytes.readInt32BE(4) === CODES.sslRequest) return void socket.write('N');
    started = true;
    unsent = [];
    socket.write(WELCOME);
  });
}

const CODES = { readyForQuery: 0x5a, idle: 0x49, terminate: 0x58, sslRequest: 80_877_103 };

/** AuthenticationOk and ReadyForQuery with status "idle". */
const WELCOME = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** Splits a stream into messages: one byte of type, then four bytes of length, which exclude the type. */
function messageReader(onMessage: (message: Buffer) => void): (bytes: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 5) {
      const length = rest.readInt32BE(1) + 1;
      if (rest.length < length) return;
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      onMessage(message);
    }
  };
}
