import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { undoAtExit } from './clean-up.js';
import { startPostgres, type CrashablePostgres } from './postgres.js';
import { Program } from './program.js';

/** Waits of milliseconds and seconds, where production has minutes: the order of events is the same. */
const SHORT_WAITS = {
  POLL_SCHEDULE_SECONDS: '0.5,0.5,1,2',
  RECONCILE_INTERVAL_SECONDS: '1',
  SUBMIT_BACKOFF_SECONDS: '0.2,0.5,1',
  UNCERTAIN_SCHEDULE_SECONDS: '1,1,2,2',
  REDUCTO_SUBMIT_TIMEOUT_SECONDS: '2',
  REDUCTO_CLASSIFY_TIMEOUT_SECONDS: '4',
  REDUCTO_READ_TIMEOUT_SECONDS: '2',
  REDUCTO_RETRY_AFTER_CAP_SECONDS: '3',
  RESULT_TIMEOUT_SECONDS: '5',
  RESULT_GRACE_SECONDS: '20',
  NOT_FOUND_GRACE_SECONDS: '3',
  SHUTDOWN_TIMEOUT_SECONDS: '5',
  DELIVERY_TIMEOUT_SECONDS: '2',
};

const ANYTHING = { recursive: true, force: true } as const;

/** Until the first fault of the platform ends, classify jobs need a synchronous call. */
const SANDBOX_PLATFORM = {
  queueMs: 50,
  runMs: 100,
  completingMs: 20,
  directTimeoutMs: 2_000,
  classifyAsync: false,
};

/** A gateway process and its own way to the database. */
export interface Replica {
  readonly program: Program;
  readonly database: TcpProxy;
}

/** Everything outside this process, all of it on loopback. */
export interface World {
  /** Where output and reports go. */
  readonly directory: string;
  /** One address for all replicas: services use it, and callbacks go to it. */
  readonly url: string;
  readonly sandboxUrl: string;
  readonly adminKey: string;
  readonly postgres: CrashablePostgres;
  readonly replicas: readonly Replica[];
  /** Between the replicas and the sandbox. */
  readonly upstream: TcpProxy;
  /** Between services and callbacks on the one side and the replicas on the other. */
  readonly front: TcpProxy;
  /** Ends what was started here; `keep` leaves the output of the programs in `directory`. */
  close(keep: boolean): Promise<void>;
}

/** How replicas differ from those of this build with short waits. */
export interface ReplicaOptions {
  /** The folder of another build. */
  readonly from?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  /** The directory of another PostgreSQL than that of the npm packages. */
  readonly postgres?: string | undefined;
}

export async function startWorld(
  replicaCount: number,
  options: ReplicaOptions = {},
): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-faults-'));
  const closers: (() => Promise<unknown>)[] = [];
  // Registered first and so undone last, when the server has ended.
  const forget = undoAtExit(() => rmSync(join(directory, 'database'), ANYTHING));
  const close = async (keep: boolean): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
    forget();
    await rm(keep ? join(directory, 'database', 'postgres') : directory, ANYTHING);
  };
  try {
    return { ...(await build(directory, replicaCount, options, closers)), close };
  } catch (error) {
    await close(true);
    throw error;
  }
}

async function build(
  directory: string,
  replicaCount: number,
  { from, environment: changes, postgres: installation }: ReplicaOptions,
  closers: (() => Promise<unknown>)[],
): Promise<Omit<World, 'close'>> {
  await mkdir(join(directory, 'database'));
  const postgres = await startPostgres(join(directory, 'database'), installation);
  closers.push(() => postgres.close());
  const proxy = async (targets: () => readonly number[]): Promise<TcpProxy> => {
    const started = await startTcpProxy(targets);
    closers.push(() => started.close());
    return started;
  };
  const program = (name: string, script: string, environment: NodeJS.ProcessEnv): Program => {
    const made = new Program(name, script, environment, join(directory, `${name}.log`));
    closers.push(() => made.stop('SIGKILL'));
    return made;
  };

  const sandboxUrl = await program('sandbox', builtFile('sandbox/main.js'), {
    SANDBOX_PORT: '0',
    SANDBOX_PLATFORM: JSON.stringify(SANDBOX_PLATFORM),
  }).start();
  const sandboxPort = Number(new URL(sandboxUrl).port);
  const upstream = await proxy(() => [sandboxPort]);
  const replicas: Replica[] = [];
  // Each start of a replica listens on another port.
  const front = await proxy(() => replicas.flatMap(({ program: { port } }) => port ?? []));
  const url = `http://127.0.0.1:${front.port}`;
  const adminKey = randomBytes(24).toString('hex');
  const common = {
    ...SHORT_WAITS,
    NODE_ENV: 'test',
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'debug',
    DATABASE_POOL_SIZE: '10',
    JOB_MAX_AGE_SECONDS: '7200',
    REDUCTO_API_KEY: 'sandbox-key',
    REDUCTO_BASE_URL: `http://127.0.0.1:${upstream.port}`,
    PUBLIC_URL: url,
    TOKEN_KEYS: `1:${randomBytes(32).toString('base64')}`,
    BOOTSTRAP_ADMIN_KEY: adminKey,
    DATA_DIR: directory,
    ...changes,
  };
  for (let n = 0; n < replicaCount; n++) {
    const database = await proxy(() => [postgres.port]);
    const address = new URL(postgres.url);
    address.port = String(database.port);
    const environment = { ...common, PORT: '0', DATABASE_URL: address.href };
    const replica = {
      program: program(`gateway-${n}`, builtFile('main.js', from), environment),
      database,
    };
    // One after the other: the first creates the tables.
    await replica.program.start();
    replicas.push(replica);
  }
  return { directory, url, sandboxUrl, adminKey, postgres, replicas, upstream, front };
}

/** A program of a build: `file` below its `dist/src`. Without `folder`, of this one. */
export function builtFile(file: string, folder = projectRoot()): string {
  return resolve(folder, 'dist', 'src', file);
}

/** The harness runs as TypeScript below `test` and compiled below `dist/test`. */
function projectRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
