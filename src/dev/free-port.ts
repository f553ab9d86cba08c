import { createServer } from 'node:net';

/**
 * Below the ports that systems give to connections and to `listen(0)`: a port that is free now may be one of those before
 * its program listens.
 */
const FIRST = 20_000;
const COUNT = 12_000;
/** Processes that run at the same time begin apart, because their ids are close together. */
const APART = 60;

let next = process.pid * APART;

/** A port of loopback that nothing listens on, another one each time. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < COUNT; tries += 1) {
    const port = FIRST + (next % COUNT);
    next += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${FIRST} to ${FIRST + COUNT - 1} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
