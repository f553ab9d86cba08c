import { Pool, type PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { afterEach, expect, it } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';
import { connectionLimits } from '../../src/platform/database/connection-limits.js';
import { dataSourceOptions } from '../../src/platform/database/data-source-options.js';
import { isDatabaseAway } from '../../src/platform/database/database-errors.js';
import {
  MigrationLockLostError,
  withMigrationLock,
} from '../../src/platform/database/migrations.js';
import { newProxiedDatabase, type ProxiedDatabase } from '../support/proxied-gateway.js';

/* What becomes of single connections, on both sides, when the network between them goes silent. */

const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function newDatabase(): Promise<{ database: ProxiedDatabase; settings: Settings }> {
  const database = await newProxiedDatabase();
  cleanUps.push(() => database.close());
  const settings = Settings.load({
    DATABASE_URL: database.url,
    DATABASE_POOL_SIZE: '2',
    DATABASE_TIMEOUT_SECONDS: '1',
  });
  return { database, settings };
}

async function open(settings: Settings): Promise<DataSource> {
  const dataSource = await new DataSource(
    dataSourceOptions(settings, () => undefined),
  ).initialize();
  cleanUps.push(() => dataSource.destroy());
  return dataSource;
}

function poolOf(config: ConstructorParameters<typeof Pool>[0]): Pool {
  const pool = new Pool(config);
  pool.on('error', () => undefined);
  cleanUps.push(() => pool.end());
  return pool;
}

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => error,
  );

it('fails a TypeORM query without an answer, and its transaction', async () => {
  const { database, settings } = await newDatabase();
  const dataSource = await open(settings);
  const failed = failure(
    dataSource.transaction(async (manager) => {
      await manager.query('SELECT 1');
      database.proxy.set('silent');
      await manager.query('SELECT 2');
    }),
  );
  expect(isDatabaseAway(await failed)).toBe(true);
  database.proxy.set('pass');
  const answers = Array.from({ length: 6 }, () => dataSource.query('SELECT 1 AS one'));
  expect(await Promise.all(answers)).toEqual(answers.map(() => [{ one: 1 }]));
});

it('treats a connection that breaks within a transaction as an outage', async () => {
  const { database, settings } = await newDatabase();
  const dataSource = await open(settings);
  const failed = failure(
    dataSource.transaction(async (manager) => {
      const [{ pid }] = await manager.query('SELECT pg_backend_pid() AS pid');
      await database.direct.query('SELECT pg_terminate_backend($1, 10000)', [pid]);
      // The server is gone for sure once another connection has been served.
      await dataSource.query('SELECT 1');
      await manager.query('SELECT 2');
    }),
  );
  expect(isDatabaseAway(await failed)).toBe(true);
});

it('does not take a long answer or an unused connection for a silent one', async () => {
  const SILENCE_MILLISECONDS = 300;
  const { database, settings } = await newDatabase();
  const limits = connectionLimits(settings);
  const pool = poolOf({
    connectionString: settings.DATABASE_URL,
    ...limits,
    silenceMillis: SILENCE_MILLISECONDS,
    max: 1,
    idleTimeoutMillis: 0,
  } as ConstructorParameters<typeof Pool>[0]);
  const pid = async (): Promise<unknown> =>
    (await pool.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
  const first = await pid();
  // Rows arrive for longer than the server may be silent.
  const slow = `SELECT repeat('x', 10000), pg_sleep(0.05) FROM generate_series(1, 15)`;
  expect((await pool.query(slow)).rowCount).toBe(15);
  // The server measures the pause on a connection of its own.
  await database.direct.query('SELECT pg_sleep($1)', [(2 * SILENCE_MILLISECONDS) / 1000]);
  expect(await pid()).toBe(first);
});

it('releases the locks of a client that vanished', async () => {
  const { database, settings } = await newDatabase();
  await database.direct.query('CREATE TABLE locked (id int); INSERT INTO locked VALUES (1), (2)');
  const pool = poolOf({
    connectionString: settings.DATABASE_URL,
    max: 2,
    ...connectionLimits(settings),
  });
  const idle: PoolClient = await pool.connect();
  const running: PoolClient = await pool.connect();
  for (const [client, id] of [
    [idle, 1],
    [running, 2],
  ] as const) {
    client.on('error', () => undefined);
    await client.query('BEGIN');
    await client.query('SELECT * FROM locked WHERE id = $1 FOR UPDATE', [id]);
  }
  const sleeping = failure(running.query('SELECT pg_sleep(600)'));
  database.proxy.set('silent');
  // Waits for both of them, and comes to an end only because the server ends them.
  expect((await database.direct.query('SELECT * FROM locked FOR UPDATE')).rowCount).toBe(2);
  await sleeping;
  idle.release(true);
  running.release(true);
});

it('sets the limits of every session, and other ones for migrations', async () => {
  const { settings } = await newDatabase();
  const limitsOf = async (dataSource: DataSource): Promise<Record<string, string>> => {
    const rows: { name: string; setting: string }[] = await dataSource.query(
      `SELECT name, setting FROM pg_settings WHERE name ~ 'timeout$|^tcp_|^client_conn'`,
    );
    return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
  };
  const network = {
    idle_session_timeout: '60000',
    idle_in_transaction_session_timeout: '2000',
    tcp_keepalives_idle: '10',
    tcp_user_timeout: '30000',
  };
  const work = await open(settings);
  expect(await limitsOf(work)).toMatchObject({ ...network, statement_timeout: '1000' });
  const options = dataSourceOptions(settings, () => undefined, 'migrations');
  const migrating = await new DataSource(options).initialize();
  cleanUps.push(() => migrating.destroy());
  expect(await limitsOf(migrating)).toMatchObject({
    ...network,
    statement_timeout: '0',
    client_connection_check_interval: '5000',
  });
  const bare = await open(settings.with({ DATABASE_SESSION_LIMITS: 'off' }));
  expect(await limitsOf(bare)).toMatchObject({
    idle_session_timeout: '0',
    idle_in_transaction_session_timeout: '0',
    statement_timeout: '0',
  });
});

it('runs migrations one at a time, and aborts them when the database becomes silent', async () => {
  const { database, settings } = await newDatabase();
  const dataSource = await open(settings);
  const other = await open(settings);
  const order: string[] = [];
  const turn = (name: string, source: DataSource): Promise<unknown> =>
    withMigrationLock(source, async () => {
      order.push(`${name} begins`);
      await source.query('SELECT pg_sleep(0.2)');
      order.push(`${name} ends`);
    });
  await Promise.all([turn('one', dataSource), turn('two', other)]);
  expect(order[1]?.split(' ')[0]).toBe(order[0]?.split(' ')[0]);

  const broken = withMigrationLock(
    dataSource,
    (lost) =>
      new Promise((_, reject) => {
        lost.addEventListener('abort', () => reject(new Error('aborted')));
        database.proxy.set('silent');
      }),
  );
  await expect(broken).rejects.toThrow(MigrationLockLostError);
});
