import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Whether the proxy forwards the bytes, drops them, or resets every connection. */
export type ProxyMode = 'pass' | 'silent' | 'refuse';

/** A TCP proxy on loopback that fails on command. */
export interface TcpProxy {
  readonly port: number;
  /**
   * `silent`: connections stay open, but no bytes arrive in either direction. `refuse`: open and new
   * connections are reset. After a return to `pass`, silent connections stay silent, because their
   * bytes are lost; new connections work.
   */
  set(mode: ProxyMode): void;
  /** The number of open connections. */
  connections(): number;
  close(): Promise<void>;
}

/** Forwards each connection to the first of `targets()` that accepts it, in round-robin order. */
export async function startTcpProxy(targets: () => readonly number[]): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  // Server sides of connections whose clients left while silent.
  const orphans = new Set<Socket>();
  let mode: ProxyMode = 'pass';
  let turn = 0;
  const server = createServer((inside) => {
    const pair: Pair = { inside, lost: mode === 'silent' };
    pairs.add(pair);
    inside.on('close', () => {
      pairs.delete(pair);
      if (pair.lost && pair.outside !== undefined) orphans.add(pair.outside);
    });
    inside.on('error', () => pair.outside?.destroy());
    if (mode === 'refuse') return void inside.resetAndDestroy();
    if (pair.lost) return void inside.resume();
    const ports = targets();
    turn += 1;
    join(
      pair,
      ports.map((_, n) => ports[(n + turn) % ports.length] ?? 0),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    set(next) {
      mode = next;
      for (const pair of pairs) {
        if (next === 'silent') pair.lost = true;
        if (next === 'refuse') breakOff(pair);
      }
    },
    connections: () => pairs.size,
    async close() {
      for (const pair of pairs) breakOff(pair);
      for (const orphan of orphans) orphan.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Pair {
  readonly inside: Socket;
  outside?: Socket;
  lost: boolean;
}

function join(pair: Pair, ports: readonly number[]): void {
  const [port, ...others] = ports;
  if (port === undefined) return void pair.inside.resetAndDestroy();
  const outside = connect({ port, host: '127.0.0.1' });
  outside.once('error', () => join(pair, others));
  outside.once('connect', () => {
    outside.removeAllListeners('error');
    pair.outside = outside;
    if (pair.inside.destroyed) return void outside.destroy();
    forward(pair, pair.inside, outside);
    forward(pair, outside, pair.inside);
  });
}

/** A lost pair keeps reading and drops the bytes, so that neither side sees an error. */
function forward(pair: Pair, from: Socket, to: Socket): void {
  from.on('error', () => to.destroy());
  from.on('data', (bytes) => {
    if (pair.lost || to.destroyed) return;
    if (!to.write(bytes)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.on('end', () => pair.lost || to.end());
  from.on('close', () => pair.lost || to.destroy());
}

function breakOff(pair: Pair): void {
  pair.inside.resetAndDestroy();
  pair.outside?.resetAndDestroy();
}
