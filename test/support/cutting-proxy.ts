import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Where a connection is cut: before PostgreSQL gets the statement, or once it has executed it, before its answer. */
export type Cut = 'before' | 'after';

export interface CuttingProxy {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * A proxy between the gateway and PostgreSQL that cuts connections at single statements. `decide` is called for each
 * statement of `names`, and for a `COMMIT` after one, as `COMMIT <name>`.
 */
export async function startCuttingProxy(
  target: number,
  names: readonly string[],
  decide: (statement: string) => Cut | undefined,
): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ port: target, host: '127.0.0.1' });
    const cut = (): void => {
      client.resetAndDestroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', cut);
    }
    let last: string | undefined;
    let cutsAtAnswer = false;
    client.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      const name = names.find((one) => text.includes(`${one}\0`));
      if (text.includes('START TRANSACTION\0')) last = undefined;
      const isCommit = text.includes('COMMIT\0');
      const statement = name ?? (isCommit && last !== undefined ? `COMMIT ${last}` : undefined);
      last = isCommit ? undefined : (name ?? last);
      const where = statement === undefined ? undefined : decide(statement);
      if (where === 'before') return cut();
      cutsAtAnswer ||= where === 'after';
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (cutsAtAnswer) return cut();
      client.write(bytes);
    });
    client.on('end', () => upstream.end());
    upstream.on('end', () => client.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
