import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * One keep-alive connection with one request at a time, on a bare socket: on a machine whose cores all
 * sides share, what a client library costs is missing for what is measured. It reads what the servers here
 * send (a status line, a Content-Length, a body), and is no HTTP client for anything else.
 */
export class Connection {
  private rest: Buffer | undefined;

  private constructor(
    private readonly socket: Socket,
    private onStatus: ((status: number, bytes: Buffer) => void) | undefined,
    private onLost: ((error: Error) => void) | undefined,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (part) => this.take(part));
    socket.on('error', (error) => this.onLost?.(error));
    socket.on('close', () => this.onLost?.(new Error('the server closed a connection')));
  }

  static open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Connection(socket, undefined, undefined));
      });
    });
  }

  /** What is to happen with every answer, and when the connection breaks. */
  listen(onStatus: (status: number, bytes: Buffer) => void, onLost: (error: Error) => void): void {
    this.onStatus = onStatus;
    this.onLost = onLost;
  }

  send(request: Buffer): void {
    this.socket.write(request);
  }

  /** One request and its answer. */
  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.listen((status, bytes) => {
        const body = bytes.subarray(bytes.indexOf(HEAD_END) + HEAD_END.length).toString();
        resolve({ status, body });
      }, reject);
      this.send(request);
    });
  }

  close(): void {
    this.onLost = undefined;
    this.onStatus = undefined;
    this.socket.destroy();
  }

  private take(part: Buffer): void {
    const bytes = this.rest === undefined ? part : Buffer.concat([this.rest, part]);
    this.rest = undefined;
    const head = bytes.indexOf(HEAD_END);
    const length = head === -1 ? undefined : bodyLength(bytes.toString('latin1', 0, head));
    if (length === undefined || bytes.length < head + HEAD_END.length + length) {
      this.rest = bytes;
      return;
    }
    this.onStatus?.(Number(bytes.toString('latin1', 9, 12)), bytes);
  }
}

function bodyLength(head: string): number {
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
}

/** The bytes of a request, made once and sent many times. */
export function requestBytes(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Buffer {
  const { host, pathname, search } = new URL(url);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = body === '' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(
    `${method} ${pathname}${search} HTTP/1.1\r\nhost: ${host}\r\n${lines.join('')}${length}\r\n${body}`,
  );
}
