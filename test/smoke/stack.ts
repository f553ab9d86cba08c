import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { attempt, run, until, type Outcome } from './command.js';

/** The project’s folder; this file runs as dist/test/smoke/stack.js. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** What the tests read of `docker inspect`. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly Image: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly ExitCode: number;
    readonly StartedAt: string;
  };
  readonly Config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly CapDrop: readonly string[] | null;
    readonly CapAdd: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly Memory: number;
    readonly NanoCpus: number;
    readonly PidsLimit: number | null;
    readonly LogConfig: { readonly Config: Readonly<Record<string, string>> };
  };
  readonly NetworkSettings: {
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>>;
  };
}

export interface StackOptions {
  readonly profiles?: readonly string[];
  /** Beside docker-compose.yml, from the project’s folder. */
  readonly files?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Secrets that exist already; made where none are given. */
  readonly secrets?: string;
}

/** One Compose project, with secrets and ports of its own. */
export class Stack {
  private constructor(
    readonly project: string,
    readonly secretsDirectory: string,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  static async make(name: string, options: StackOptions = {}): Promise<Stack> {
    const secrets = options.secrets ?? (await mkdtemp(join(tmpdir(), 'gateway-smoke-')));
    await run(join(ROOT, 'deploy/make-secrets.sh'), ['sandbox'], { env: { SECRETS_DIR: secrets } });
    const project = `gateway-smoke-${name}`;
    const stack = new Stack(project, secrets, {
      COMPOSE_PROJECT_NAME: project,
      COMPOSE_FILE: ['docker-compose.yml', ...(options.files ?? [])]
        .map((file) => join(ROOT, file))
        .join(':'),
      COMPOSE_PROFILES: (options.profiles ?? ['sandbox']).join(','),
      COMPOSE_ENV_FILES: '/dev/null',
      COMPOSE_ANSI: 'never',
      SECRETS_DIR: secrets,
      REDUCTO_BASE_URL: 'http://sandbox:4010',
      PUBLIC_URL: 'http://callbacks:3000',
      // A crash between a submission and its answer is resolved within the time of a test.
      UNCERTAIN_SCHEDULE_SECONDS: '2,4,8',
      GATEWAY_PORTS: '13000',
      CALLBACKS_PORTS: '13100',
      TLS_PORT: '13443',
      TLS_HTTP_PORT: '13080',
      GATEWAY_TLS_PORT: '13444',
      PROMETHEUS_PORT: '13090',
      GRAFANA_PORT: '13200',
      GATEWAY_IMAGE: 'reducto-gateway:smoke',
      SANDBOX_IMAGE: 'reducto-gateway-sandbox:smoke',
      ...options.env,
    });
    await stack.remove();
    return stack;
  }

  /** The same project with other settings. */
  with(env: Readonly<Record<string, string>>): Stack {
    return new Stack(this.project, this.secretsDirectory, { ...this.env, ...env });
  }

  compose(...args: string[]): Promise<string> {
    return run('docker', ['compose', ...args], { env: this.env });
  }

  attempt(...args: string[]): Promise<Outcome> {
    return attempt('docker', ['compose', ...args], { env: this.env });
  }

  async up(...args: string[]): Promise<void> {
    await this.compose('up', '--detach', '--no-build', '--wait', '--wait-timeout', '180', ...args);
  }

  /** The output of a command in a container; its words have spaces between them and none within. */
  command(service: string, words: string): Promise<string> {
    return this.compose('exec', '-T', service, ...words.split(' '));
  }

  /** The output of a script that Node runs in a container. */
  async inside(service: string, script: string, ...args: string[]): Promise<string> {
    return (
      await this.compose(
        'exec',
        '-T',
        service,
        'node',
        '--input-type=module',
        '-e',
        script,
        ...args,
      )
    ).trim();
  }

  async containers(...services: string[]): Promise<Container[]> {
    const ids = (await this.compose('ps', '--all', '--quiet', ...services))
      .split('\n')
      .filter(Boolean);
    return JSON.parse(await run('docker', ['inspect', ...ids])) as Container[];
  }

  async container(service: string): Promise<Container> {
    const [only] = await this.containers(service);
    if (only === undefined) throw new Error(`there is no container of ${service}`);
    return only;
  }

  healthy(service: string, seconds = 90): Promise<string> {
    return until(
      `${service} is healthy`,
      async () => {
        const list = await this.compose('ps', '--format', '{{.Service}} {{.Health}}');
        const states = list.split('\n').filter((line) => line.startsWith(`${service} `));
        return states.length > 0 && states.every((line) => line.endsWith(' healthy'))
          ? list
          : undefined;
      },
      seconds,
    );
  }

  /** Every secret by the name of its file; what is empty is none. */
  async secrets(): Promise<Map<string, string>> {
    const values = new Map<string, string>();
    for (const name of await readdir(this.secretsDirectory)) {
      const text = (await readFile(join(this.secretsDirectory, name), 'utf8')).trim();
      if (text !== '') values.set(name, text);
    }
    return values;
  }

  async remove(): Promise<void> {
    await this.attempt('down', '--volumes', '--remove-orphans', '--timeout', '5');
  }

  async forget(): Promise<void> {
    await this.remove();
    await rm(this.secretsDirectory, { recursive: true, force: true });
  }
}
