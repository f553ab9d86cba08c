import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { startWorld, type World } from '../faults/world.js';

/*
 * How long jobs under way take to end after a fault is over. Prints the longest time of each fault beside what is
 * wanted. Delays and timeouts are those of production, so that a short one does not hide a slow recovery.
 */

const JOBS = 200;
const HELP = `Measures how long ${JOBS} jobs under way take to end after a fault.

  npm run bench:recovery [-- --only process,replica] [-- --rounds 3]

  --only      faults: process, replica, postgres, pause; default: all
  --rounds    of each fault; default 1
  --postgres  the directory of another PostgreSQL, with \`bin\`
`;

/** Delays as in production, where the harness has shorter ones; more requests at a time. */
const ENVIRONMENT = {
  POLL_SCHEDULE_SECONDS: '5,5,10,20,40,60',
  RECONCILE_INTERVAL_SECONDS: '10',
  SUBMIT_BACKOFF_SECONDS: '1,2,5,10,20,40,60',
  UNCERTAIN_SCHEDULE_SECONDS: '5,15,40,60',
  REDUCTO_SUBMIT_TIMEOUT_SECONDS: '60',
  REDUCTO_READ_TIMEOUT_SECONDS: '30',
  NOT_FOUND_GRACE_SECONDS: '60',
  SUBMIT_CONCURRENCY: '64',
  POLL_CONCURRENCY: '64',
  LOG_LEVEL: 'info',
};
/** Reducto answers in 0.3 s. */
const SLOW = { fault: 'slow', delayMs: 300 };
const REQUEST = {
  type: 'parse',
  input: 'https://documents.example/a.pdf',
  sim: { submit: SLOW, poll: SLOW },
};

interface Fault {
  readonly name: string;
  readonly what: string;
  readonly replicas: number;
  readonly wantedSeconds: number;
  /** Resolves when the fault is over. */
  inject(world: World): Promise<void>;
}

const FAULTS: readonly Fault[] = [
  {
    name: 'process',
    what: 'kill -9 of the only process, three times in a row; after its last start',
    replicas: 1,
    wantedSeconds: 10,
    inject: async ({ replicas: [replica] }) => {
      for (let kill = 0; kill < 3; kill++) {
        if (kill > 0) await sleep(1000);
        await replica?.program.stop('SIGKILL');
        await replica?.program.start();
      }
    },
  },
  {
    name: 'replica',
    what: 'kill -9 of one of two replicas; after the kill',
    replicas: 2,
    wantedSeconds: 8,
    inject: async ({ replicas: [replica] }) => void (await replica?.program.stop('SIGKILL')),
  },
  {
    name: 'postgres',
    what: 'kill -9 of PostgreSQL, back after 1 s; after it is back',
    replicas: 2,
    wantedSeconds: 15,
    inject: async ({ postgres }) => {
      await postgres.kill();
      await sleep(1000);
      await postgres.start();
    },
  },
  {
    name: 'pause',
    what: 'PostgreSQL paused for 30 s; after it goes on',
    replicas: 2,
    wantedSeconds: 15,
    inject: async ({ postgres }) => {
      postgres.pause();
      await sleep(30_000);
      postgres.resume();
    },
  },
];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    postgres: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  print(HELP);
} else {
  const only = values.only?.split(',');
  for (const fault of FAULTS.filter(({ name }) => only?.includes(name) ?? true)) {
    const seconds: number[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      seconds.push(await measure(fault, values.postgres));
    }
    const longest = Math.max(...seconds);
    const sign = longest <= fault.wantedSeconds ? '✓' : '✗';
    print(
      `${sign} ${fault.what}: ${seconds.map((time) => time.toFixed(1)).join(', ')} s, wanted ${fault.wantedSeconds} s`,
    );
  }
}

async function measure(fault: Fault, postgres: string | undefined): Promise<number> {
  const world = await startWorld(fault.replicas, { environment: ENVIRONMENT, postgres });
  let keep = false;
  try {
    const headers = await serviceHeaders(world);
    const ids = await Promise.all(Array.from({ length: JOBS }, () => submit(world, headers)));
    await untilUnderWay(world);
    const before = await states(world);
    await fault.inject(world);
    const over = performance.now();
    await untilEnded(world, ids.length);
    const seconds = (performance.now() - over) / 1000;
    print(`  ${fault.name}: ${before} at the fault; afterwards ${await states(world)}`);
    print(`    ${await summary(world)}`);
    keep = seconds > fault.wantedSeconds;
    if (keep) print(`    the output of the programs is in ${world.directory}`);
    return seconds;
  } catch (error) {
    keep = true;
    print(`    the output of the programs is in ${world.directory}`);
    throw error;
  } finally {
    await world.close(keep);
  }
}

async function serviceHeaders({ url, adminKey }: World): Promise<Record<string, string>> {
  const response = await fetch(`${url}/v1/admin/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ service: 'recovery', scopes: ['jobs'] }),
  });
  if (response.status !== 201) throw new Error(`no key: ${await response.text()}`);
  const { key } = (await response.json()) as { key: string };
  return { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
}

async function submit({ url }: World, headers: Record<string, string>): Promise<string> {
  const body = JSON.stringify(REQUEST);
  const response = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body });
  if (response.status !== 202) throw new Error(`not accepted: ${await response.text()}`);
  return ((await response.json()) as { id: string }).id;
}

/** Some are being sent, some are at Reducto, and some are polled. */
async function untilUnderWay(world: World): Promise<void> {
  while ((await count(world, `status <> 'queued'`)) < JOBS / 3) await sleep(20);
}

async function untilEnded(world: World, jobs: number): Promise<void> {
  const end = performance.now() + 180_000;
  for (;;) {
    const ended = await count(world, 'ended_at IS NOT NULL').catch(() => 0);
    if (ended === jobs) return;
    if (performance.now() > end)
      throw new Error(`${jobs - ended} jobs have not ended: ${await states(world)}`);
    await sleep(50);
  }
}

async function count(world: World, condition: string): Promise<number> {
  const [row] = await ask<{ n: number }>(
    world,
    `SELECT count(*)::int AS n FROM jobs WHERE ${condition}`,
  );
  return row?.n ?? 0;
}

async function states(world: World): Promise<string> {
  const rows = await ask<{ state: string; n: number }>(
    world,
    `SELECT status || CASE WHEN submit_started_at IS NOT NULL AND status = 'queued' THEN ' (being sent)' ELSE '' END AS state,
            count(*)::int AS n FROM jobs GROUP BY 1 ORDER BY 1`,
  );
  return rows.map(({ state, n }) => `${n} ${state}`).join(', ');
}

async function summary(world: World): Promise<string> {
  const rows = await ask<{ type: string; n: number }>(
    world,
    `SELECT type || coalesce(' ' || (detail ->> 'reason'), '') AS type, count(*)::int AS n FROM job_events
      WHERE type IN ('submit_uncertain', 'submit_resolved', 'submit_deferred') GROUP BY 1 ORDER BY 1`,
  );
  const upstream = await fetch(`${world.sandboxUrl}/control/jobs`).then(
    (response) => response.json() as Promise<{ jobs?: unknown[] }>,
  );
  const made = Array.isArray(upstream) ? upstream.length : (upstream.jobs?.length ?? 0);
  return `${made} upstream jobs; ${rows.map(({ type, n }) => `${n} × ${type}`).join(', ')}`;
}

async function ask<Row extends object>({ postgres }: World, sql: string): Promise<Row[]> {
  const client = new Client({
    connectionString: postgres.url,
    connectionTimeoutMillis: 2000,
    query_timeout: 5000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Row>(sql)).rows;
  } finally {
    client.end().catch(() => undefined);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
