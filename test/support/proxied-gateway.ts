import { Pool } from 'pg';
import { newDatabase, startGateway, type TestGateway } from './gateway.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';

/** A database that is reachable through a proxy and directly. */
export interface ProxiedDatabase {
  /** Through the proxy. */
  readonly url: string;
  readonly proxy: TcpProxy;
  /** Connects without the proxy. */
  readonly direct: Pool;
  close(): Promise<void>;
}

export interface ProxiedGateway extends ProxiedDatabase {
  readonly gateway: TestGateway;
}

export function portOf(url: string): number {
  return Number(new URL(url).port);
}

export function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}

export async function newProxiedDatabase(): Promise<ProxiedDatabase> {
  const database = await newDatabase();
  const proxy = await startTcpProxy(() => [portOf(database.url)]);
  const direct = new Pool({ connectionString: database.url, max: 3 });
  direct.on('error', () => undefined);
  return {
    url: withPort(database.url, proxy.port),
    proxy,
    direct,
    close: async () => {
      await direct.end();
      await proxy.close();
      await database.drop();
    },
  };
}

/** Starts a gateway behind a database proxy, with a database timeout of one second. */
export async function startProxiedGateway(
  environment: Record<string, string> = {},
): Promise<ProxiedGateway> {
  const database = await newProxiedDatabase();
  const gateway = await startGateway({
    DATABASE_URL: database.url,
    DATABASE_TIMEOUT_SECONDS: '1',
    ...environment,
  });
  return {
    ...database,
    gateway,
    close: async () => {
      await gateway.close();
      await database.close();
    },
  };
}
