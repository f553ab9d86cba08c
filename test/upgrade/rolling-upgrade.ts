import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { GatewayClient } from '../faults/client.js';
import { recordOf } from '../faults/sandbox-control.js';
import { builtFile, startWorld, type Replica, type World } from '../faults/world.js';
import { Load } from './load.js';

/*
 * Two replicas are exchanged one by one while jobs come in, as an operator does it: migrate, then each replica in its
 * turn, then one of them back again. Nothing that was accepted may be lost.
 */

export interface UpgradeOptions {
  /** The folder of the build that runs at first, with its `dist`; without, this one. */
  readonly from: string | undefined;
  /** How long each state is kept: both old, one of each, both new, and one of each again. */
  readonly stateMs: number;
  /** Jobs come so far apart. */
  readonly everyMs: number;
  readonly say: (text: string) => void;
}

/** What an upgrade has cost. */
export interface UpgradeReport {
  readonly accepted: number;
  /** Accepted jobs that did not complete, or whose result could not be read, with their last reported status. */
  readonly lost: readonly string[];
  /** Callbacks that were answered with 200. */
  readonly callbacks: number;
  /** Those of them that are not in the database. */
  readonly forgotten: readonly string[];
  /** Jobs that Reducto has more than once. */
  readonly doubled: readonly string[];
  /** What stopped or started otherwise than it should. */
  readonly surprises: readonly string[];
  /** All answers that clients got, by what was asked. */
  readonly answers: ReadonlyMap<string, number>;
}

/** A migration as the rule wants it, beside whatever the new build brings: a column, a table, an index. */
const EXPAND = [
  `ALTER TABLE jobs ADD COLUMN upgrade_note text`,
  `CREATE TABLE upgrade_notes (job_id uuid PRIMARY KEY, note text NOT NULL DEFAULT '')`,
  `CREATE INDEX CONCURRENTLY jobs_by_upgrade_note ON jobs (upgrade_note) WHERE upgrade_note IS NOT NULL`,
  `INSERT INTO schema_migrations (timestamp, name) VALUES (9999999999999, 'UpgradeTest9999999999999')`,
];

/** After the last job has ended, what was sent once more may still arrive. */
const AFTERMATH_MS = 2000;
const STUCK_AFTER_MS = 120_000;

export async function rollingUpgrade(options: UpgradeOptions): Promise<UpgradeReport> {
  const world = await startWorld(2, {
    from: options.from,
    // Enough for a busy machine.
    environment: { SHUTDOWN_TIMEOUT_SECONDS: '14' },
  });
  try {
    return await upgradeIn(world, options);
  } finally {
    await world.close(false);
  }
}

async function upgradeIn(world: World, options: UpgradeOptions): Promise<UpgradeReport> {
  const { from, stateMs, everyMs, say } = options;
  const answers = new Map<string, number>();
  const given = new AbortController();
  const client = new GatewayClient(world.url, await keyOf(world), answers, given.signal);
  const submitted = new AbortController();
  const load = new Load(client);
  const database = new Client({ connectionString: world.postgres.url });
  await database.connect();
  const [one, two] = world.replicas;
  if (one === undefined || two === undefined) throw new Error('there are not two replicas');
  const surprises: string[] = [];
  const exchange = async (replica: Replica, folder: string | undefined): Promise<void> => {
    const { program } = replica;
    const begin = performance.now();
    const end = await program.stop('SIGTERM');
    const stopped = (performance.now() - begin) / 1000;
    if (end !== 'code 0') surprises.push(`${program.name} stopped with ${end}`);
    program.replace(builtFile('main.js', folder));
    await program.start();
    const accepted = `${load.jobs.length} jobs were accepted until now`;
    say(`${program.name} is exchanged, its stop took ${stopped.toFixed(1)} s, ${accepted}`);
    await sleep(stateMs);
  };

  try {
    const living = load.run(everyMs, submitted.signal);
    living.catch(() => {
      submitted.abort();
      given.abort();
    });
    await sleep(stateMs);
    await migrate(world);
    for (const statement of EXPAND) await database.query(statement);
    say(`the database is migrated, while the old build runs`);
    await sleep(stateMs);
    await exchange(one, undefined);
    await exchange(two, undefined);
    await exchange(one, from);
    await exchange(one, undefined);
    submitted.abort();
    const stuck = setTimeout(() => given.abort(), STUCK_AFTER_MS);
    await living;
    clearTimeout(stuck);
    await sleep(AFTERMATH_MS);
    for (const { program } of world.replicas) {
      surprises.push(...program.surprises);
      if (program.failedStarts > 0) surprises.push(`${program.name} did not start at once`);
    }
    return { ...(await compare(world, database, load)), surprises, answers };
  } finally {
    given.abort();
    await database.end();
  }
}

/** With the command of the new build (docs/operations.md). */
async function migrate(world: World): Promise<void> {
  await promisify(execFile)(process.execPath, [builtFile('cli.js'), 'migrate'], {
    env: { PATH: process.env['PATH'], DATABASE_URL: world.postgres.url, DATA_DIR: world.directory },
  });
}

async function keyOf(world: World): Promise<string> {
  const admin = new GatewayClient(
    world.url,
    world.adminKey,
    new Map(),
    AbortSignal.timeout(30_000),
  );
  const body = { service: 'upgrade', scopes: ['jobs'] };
  const answer = await admin.insist('POST', '/v1/admin/keys', { body });
  return String(answer?.body['key']);
}

/** Compares the answers to clients and to Reducto with the database. */
async function compare(
  world: World,
  database: Client,
  load: Load,
): Promise<Omit<UpgradeReport, 'surprises' | 'answers'>> {
  const read = async (path: string): Promise<Record<string, unknown>[]> => {
    const list: unknown = await (await fetch(`${world.sandboxUrl}/control/${path}`)).json();
    return Array.isArray(list) ? list.map(recordOf) : [];
  };
  const good = (await read('deliveries')).filter(({ status }) => status === 200);
  const stored = await database.query<{ message: string }>(
    `SELECT upstream_id || ' ' || status AS message FROM callbacks
     UNION SELECT upstream_id || ' ' || status FROM callback_inbox`,
  );
  const known = new Set(stored.rows.map(({ message }) => message));
  const messages = good.map(({ jobId, body }) => {
    const { status } = recordOf(JSON.parse(String(body)));
    return `${String(jobId)} ${String(status)}`;
  });
  const upstream = (await read('jobs')).map((job) => JSON.stringify(job['body']));
  return {
    accepted: load.jobs.length,
    lost: load.jobs
      .filter(({ status, resultStatus }) => status !== 'completed' || resultStatus !== 200)
      .map(({ id, status, resultStatus }) => `${id}: ${status}, result ${resultStatus}`),
    callbacks: good.length,
    forgotten: messages.filter((message) => !known.has(message)),
    doubled: load.jobs
      .filter(({ id }) => upstream.filter((body) => body.includes(id)).length > 1)
      .map(({ id }) => id),
  };
}
