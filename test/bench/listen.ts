import type { Server } from 'node:http';

/** Listens on `port` of loopback (0: a free one), says so to the parent, and ends with it. */
export function listenForBench(server: Server, port = 0): void {
  server.keepAliveTimeout = 75_000;
  server.listen(port, '127.0.0.1', () => {
    const address = server.address();
    const found = typeof address === 'object' && address !== null ? address.port : 0;
    process.send?.({ type: 'listening', url: `http://127.0.0.1:${found}` });
  });
  process.once('disconnect', () => process.exit(0));
  process.once('SIGTERM', () => process.exit(0));
}
