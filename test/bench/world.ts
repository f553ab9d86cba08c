import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createHash, randomBytes } from 'node:crypto';
import { undoAtExit } from '../faults/clean-up.js';
import { BY_HAND_TABLES } from './by-hand-tables.js';
import { BenchProcess, type Launch } from './bench-process.js';
import { GatewayKeys } from './gateway-keys.js';
import { LoadGenerator } from './load-generator.js';
import type { Options } from './options.js';
import { startPostgres, type Postgres } from './postgres.js';

/** A side and the database that it works on. */
export interface Side {
  readonly process: BenchProcess;
  readonly databaseUrl: string;
}

/** How a gateway differs from the one that ships. */
interface Variation {
  readonly environment?: Record<string, string>;
  /** Where it is not to have a database of its own. */
  readonly databaseUrl?: string;
  /** The folder of another build. */
  readonly folder?: string;
}

/** Everything that a run starts, all of it on loopback and below one temporary directory. */
export class World {
  private readonly closers: (() => Promise<unknown>)[] = [];
  private count = 0;

  private constructor(
    readonly directory: string,
    readonly postgres: Postgres,
    readonly load: LoadGenerator,
    readonly keys: GatewayKeys,
    readonly options: Options,
  ) {}

  static async start(options: Options): Promise<World> {
    const directory = await mkdtemp(join(tmpdir(), 'gateway-bench-'));
    // Registered first, so done last: also where the run is interrupted.
    const forget = undoAtExit(() =>
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 }),
    );
    try {
      const postgres = await startPostgres(directory);
      const load = await LoadGenerator.start(directory);
      const world = new World(directory, postgres, load, new GatewayKeys(), options);
      world.closers.push(
        async () => {
          await rm(directory, { recursive: true, force: true });
          forget();
        },
        () => postgres.close(),
        () => load.stop(),
      );
      return world;
    } catch (error) {
      // What has been started ends with this process, and the directory with it.
      throw new Error('the bench could not start', { cause: error });
    }
  }

  /** The gateway as it ships, with settings of production. */
  async gateway(roles: string, variation: Variation = {}): Promise<Side> {
    const name = this.nextName('gateway');
    const database = variation.databaseUrl ?? (await this.postgres.create(name));
    const { profile } = this.options;
    const process = await this.run(
      name,
      join(variation.folder ?? '', 'dist/src/main.js'),
      {
        NODE_ENV: 'production',
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'info',
        ROLES: roles,
        PORT: '0',
        DATABASE_URL: database,
        DATABASE_MIGRATIONS: 'run',
        REDUCTO_API_KEY: 'sandbox-key',
        REDUCTO_BASE_URL: 'http://127.0.0.1:9',
        PUBLIC_URL: 'http://127.0.0.1:9',
        WEBHOOK_IP_ALLOWLIST: '127.0.0.1',
        TOKEN_KEYS: this.keys.tokenKeys,
        AUDIT_KEYS: this.keys.tokenKeys,
        BOOTSTRAP_ADMIN_KEY: this.keys.adminKey,
        ...variation.environment,
      },
      profile === undefined
        ? {}
        : {
            execArgv: [
              '--cpu-prof',
              '--cpu-prof-interval=200',
              `--cpu-prof-dir=${resolve(profile)}`,
            ],
          },
    );
    return { process, databaseUrl: database };
  }

  /** The gateways to be compared: this build, and the one of `--beside`. */
  async gateways(
    roles: string,
    name = 'gateway',
    environment: Record<string, string> = {},
  ): Promise<[name: string, side: Side][]> {
    const { beside } = this.options;
    const own: [string, Side] = [name, await this.gateway(roles, { environment })];
    if (beside === undefined) return [own];
    const folder = resolve(beside);
    return [own, [`${name} beside`, await this.gateway(roles, { environment, folder })]];
  }

  /** A second load generator, for two loads at once. */
  async anotherLoad(): Promise<LoadGenerator> {
    const load = await LoadGenerator.start(this.directory, this.nextName('load'));
    this.closers.push(() => load.stop());
    return load;
  }

  floor(): Promise<BenchProcess> {
    return this.run(this.nextName('floor'), 'dist/test/bench/floor.js', {});
  }

  async byHand(): Promise<Side> {
    const name = this.nextName('by_hand');
    const databaseUrl = await this.postgres.create(name);
    await this.postgres.query(databaseUrl, BY_HAND_TABLES);
    const process = await this.run(name, 'dist/test/bench/by-hand.js', {
      DATABASE_URL: databaseUrl,
      TOKEN_KEY: this.keys.tokenKey.toString('base64'),
      API_KEY_SHA256: createHash('sha256').update(this.keys.byHandKey).digest('hex'),
      NODE_ENV: 'production',
    });
    return { process, databaseUrl };
  }

  async run(
    name: string,
    script: string,
    environment: NodeJS.ProcessEnv,
    more: Pick<Launch, 'args' | 'execArgv'> = {},
  ): Promise<BenchProcess> {
    const logFile = join(this.directory, `${name}.log`);
    const started = await BenchProcess.start(name, script, { environment, logFile, ...more });
    this.closers.push(() => started.stop());
    return started;
  }

  /** A name for a process, a file or a database that nobody has had before. */
  nextName(kind: string): string {
    this.count += 1;
    return `${kind}_${this.count}_${randomBytes(2).toString('hex')}`;
  }

  /** Ends what was started since `mark`; a scenario leaves the machine to the next one as it found it. */
  async stopSince(mark: number): Promise<void> {
    for (const close of this.closers.splice(mark).toReversed()) await close();
  }

  get mark(): number {
    return this.closers.length;
  }

  close(): Promise<void> {
    return this.stopSince(0);
  }
}
