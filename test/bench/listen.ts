import type { Server } from 'node:http';

/** Listens on a free port of loopback, says so to the parent, and ends with it. */
export function listenForBench(server: Server): void {
  server.keepAliveTimeout = 75_000;
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    process.send?.({ type: 'listening', url: `http://127.0.0.1:${port}` });
  });
  process.once('disconnect', () => process.exit(0));
  process.once('SIGTERM', () => process.exit(0));
}
