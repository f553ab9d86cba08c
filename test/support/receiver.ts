import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/** A request as its bytes were received. */
export interface ReceivedRequest {
  /** `POST /hook HTTP/1.1` */
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What a receiver does with a request; it writes bytes of its own. */
export type Receive = (socket: Socket, request: ReceivedRequest) => void;

/** A receiver of events that speaks TCP, so that it can do what an HTTP server does not. */
export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** The number of connections so far. */
  connections(): number;
  /** Every request, oldest first. */
  readonly requests: ReceivedRequest[];
  close(): Promise<void>;
}

export interface ReceiverOptions {
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: number;
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer };
  /** Called for each connection, before any byte of it. */
  readonly onConnection?: (socket: Socket) => void;
}

/** An HTTP answer that keeps the connection open. */
export function answer(status: string, body = '', headers: Record<string, string> = {}): string {
  const all = { 'content-length': String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`;
}

export const accept: Receive = (socket) => void socket.write(answer('204 No Content'));

export async function startReceiver(
  receive: Receive = accept,
  { host = '127.0.0.1', port: wanted = 0, tls, onConnection }: ReceiverOptions = {},
): Promise<Receiver> {
  const sockets = new Set<Socket>();
  const requests: ReceivedRequest[] = [];
  let connections = 0;
  const serve = (socket: Socket): void => {
    let received = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (part) => {
      received = Buffer.concat([received, part]);
      for (
        let found = firstRequest(received);
        found !== undefined;
        found = firstRequest(received)
      ) {
        received = received.subarray(found.size);
        requests.push(found.request);
        receive(socket, found.request);
      }
    });
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket.on('error', () => undefined));
    onConnection?.(socket);
  });
  server.listen(wanted, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const literal = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${literal}:${port}/hook`,
    port,
    connections: () => connections,
    requests,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The first complete request in `bytes`, whose body has a `Content-Length`. */
function firstRequest(
  bytes: Buffer,
): { readonly request: ReceivedRequest; readonly size: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [line = '', ...rest] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const header of rest) {
    const colon = header.indexOf(':');
    const name = header.slice(0, colon).toLowerCase();
    const value = header.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const size = end + 4 + Number(headers['content-length'] ?? 0);
  if (bytes.length < size) return undefined;
  return { request: { line, headers, body: bytes.subarray(end + 4, size) }, size };
}
