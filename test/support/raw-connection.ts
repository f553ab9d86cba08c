import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection on which a test writes the very bytes of HTTP. */
export interface RawConnection {
  readonly socket: Socket;
  /** Everything that has come so far. */
  received(): string;
  /** Resolves with everything that has come, once the server has closed the connection. */
  readonly closed: Promise<string>;
}

export async function openConnection(url: string, first = ''): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (part) => (text += part.toString('latin1')));
  // A reset is one of the ways to be closed.
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  await once(socket, 'connect');
  socket.write(first);
  return { socket, received: () => text, closed };
}

/** The head of a request, with the blank line. */
export function head(line: string, headers: Record<string, string | number>): string {
  const lines = Object.entries({ host: 'gateway', ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}

/** Writes `part` again and again, as fast as the server reads. Returns how many bytes were taken when the connection closed. */
export async function flood({ socket, closed }: RawConnection, part: Buffer): Promise<number> {
  const write = (): void => {
    while (!socket.destroyed && socket.writable && socket.write(part));
  };
  socket.on('drain', write);
  write();
  await closed;
  return socket.bytesWritten - socket.writableLength;
}

/** Writes a byte every 100 ms until the connection closes, and returns what came. */
export async function trickle({ socket, closed }: RawConnection, byte = 'x'): Promise<string> {
  const timer = setInterval(() => socket.write(byte), 100);
  try {
    return await closed;
  } finally {
    clearInterval(timer);
  }
}
