import dns from 'node:dns';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { prepareDatabase } from '../../src/platform/database/prepare-database.js';
import { eventually } from '../support/gateway.js';
import {
  newProxiedDatabase,
  portOf,
  withPort,
  type ProxiedDatabase,
} from '../support/proxied-gateway.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/* What a start does about a database that is not there yet, and about one that never will be. */

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function newDatabase(): Promise<ProxiedDatabase> {
  const database = await newProxiedDatabase();
  cleanUps.push(() => database.close());
  return database;
}

interface Start {
  /** The codes or messages of what it waits for. */
  readonly waits: string[];
  readonly done: Promise<void>;
}

function start(url: string): Start {
  const waits: string[] = [];
  const warn = ({ err }: { err: Error & { code?: string } }): void =>
    void waits.push(err.code ?? err.message);
  const settings = Settings.load({ DATABASE_URL: url, DATABASE_TIMEOUT_SECONDS: '1' });
  const log = { log: () => undefined, error: () => undefined, warn };
  return { waits, done: prepareDatabase(settings, log) };
}

const waited = ({ waits }: Start): Promise<string> => eventually('it waits', () => waits[0]);

/** A server that answers every start of a session with an error, as PostgreSQL and poolers do. */
async function startRefusing(code: string, message: string): Promise<number> {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.from('E\0\0\0\0');
  head.writeUInt32BE(fields.length + 4, 1);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(Buffer.concat([head, fields])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

it('waits for a database that accepts connections and does not answer', async () => {
  const { url, proxy } = await newDatabase();
  proxy.set('silent');
  const starting = start(url);
  expect(await waited(starting)).toContain('connection timeout');
  proxy.set('pass');
  await starting.done;
});

it('waits for a database that closes every connection', async () => {
  const { url, proxy } = await newDatabase();
  proxy.set('refuse');
  const starting = start(url);
  expect(await waited(starting)).toBe('ECONNRESET');
  proxy.set('pass');
  await starting.done;
});

it('waits for a database that is starting up', async () => {
  const database = await newDatabase();
  const port = await startRefusing('57P03', 'the database system is starting up');
  let up = false;
  const proxy = await startTcpProxy(() => [up ? portOf(database.url) : port]);
  cleanUps.push(() => proxy.close());
  const starting = start(withPort(database.url, proxy.port));
  expect(await waited(starting)).toBe('57P03');
  up = true;
  await starting.done;
});

it('waits for a name that does not resolve yet', async () => {
  const { url } = await newDatabase();
  const lookup = dns.lookup;
  let known = false;
  const spy = vi
    .spyOn(dns, 'lookup')
    .mockImplementation(((name: string, ...rest: never[]) =>
      Reflect.apply(lookup, dns, [known ? '127.0.0.1' : name, ...rest])) as typeof lookup);
  cleanUps.push(() => spy.mockRestore());
  const starting = start(url.replace('127.0.0.1', 'database.invalid'));
  expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(await waited(starting));
  known = true;
  await starting.done;
});

it.each([
  ['a wrong password', (url: string) => url.replace(/:[^:@]+@/, ':wrong@'), /password/],
  ['a missing database', (url: string) => `${url}_not`, /database "\w+_not" does not exist/],
])('fails at once if waiting cannot help: %s', async (_, changed, message) => {
  const { url } = await newDatabase();
  const starting = start(changed(url));
  await expect(starting.done).rejects.toThrow(message);
  await expect(starting.done).rejects.toThrow('DATABASE_URL refuses the gateway');
  expect(starting.waits).toEqual([]);
});

it('names the setting if a pooler refuses the limits of a session', async () => {
  const port = await startRefusing('08P01', 'unsupported startup parameter: statement_timeout');
  const { done } = start(`postgres://somebody@127.0.0.1:${port}/database`);
  await expect(done).rejects.toThrow('DATABASE_SESSION_LIMITS=off');
});
