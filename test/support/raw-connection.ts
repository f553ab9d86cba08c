import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A TCP connection on which a test writes raw HTTP. */
export interface RawConnection {
  readonly socket: Socket;
  /** The bytes received so far. */
  received(): string;
  /** Resolves with all received bytes when the server has closed the connection. */
  readonly closed: Promise<string>;
}

export async function openConnection(url: string, first = ''): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (part) => (text += part.toString('latin1')));
  // A reset also closes the connection.
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  await once(socket, 'connect');
  socket.write(first);
  return { socket, received: () => text, closed };
}

/** The request line and headers, with the blank line. */
export function head(line: string, headers: Record<string, string | number>): string {
  const lines = Object.entries({ host: 'gateway', ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}

/** Writes `part` repeatedly until the connection closes. Returns the number of bytes that were sent. */
export async function flood({ socket, closed }: RawConnection, part: Buffer): Promise<number> {
  const write = (): void => {
    while (!socket.destroyed && socket.writable && socket.write(part));
  };
  socket.on('drain', write);
  write();
  await closed;
  return socket.bytesWritten - socket.writableLength;
}

/** Writes a byte every 100 ms until the connection closes. Returns the received bytes. */
export async function trickle({ socket, closed }: RawConnection, byte = 'x'): Promise<string> {
  const timer = setInterval(() => socket.write(byte), 100);
  try {
    return await closed;
  } finally {
    clearInterval(timer);
  }
}
