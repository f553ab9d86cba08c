import { AddressInfo } from 'node:net';
import { Backend } from './backend.js';
import { VirtualClock } from './clock.js';
import { DeliveryLog } from './webhooks/deliveries.js';
import { FaultRules } from './jobs/fault-rules.js';
import { JobRunner } from './jobs/job-runner.js';
import { JobStore } from './jobs/job-store.js';
import { PlatformSettings, PlatformState } from './faults/platform-switches.js';
import { buildServer } from './http/server.js';
import { UploadStore } from './documents/upload-store.js';
import { Webhooks } from './webhooks/webhooks.js';

export interface SandboxOptions {
  host?: string;
  /** 0: any free port. */
  port?: number;
  apiKeys?: readonly string[];
  /** The address in the links handed out; default: the one that the caller used. */
  publicUrl?: string;
  /** Virtual milliseconds per real one; 0: the clock moves by `clock.advance()` only. */
  speed?: number;
  /** Platform switches to start with; a reset comes back to them. */
  platform?: PlatformSettings;
}

/** A running sandbox, with its inside laid open for tests. */
export interface Sandbox {
  url: string;
  controlUrl: string;
  apiKey: string;
  clock: VirtualClock;
  jobs: JobStore;
  deliveries: DeliveryLog;
  uploads: UploadStore;
  rules: FaultRules;
  platform: PlatformState;
  runner: JobRunner;
  webhooks: Webhooks;
  reset(): void;
  close(): Promise<void>;
}

export const DEFAULT_API_KEY = 'sandbox-key';

/** Starts a local stand-in for Reducto. Nothing outside this process is needed. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const apiKeys = options.apiKeys ?? [DEFAULT_API_KEY];
  const backend = new Backend({
    apiKeys,
    publicUrl: options.publicUrl,
    speed: options.speed ?? 1,
    platform: options.platform ?? {},
  });
  const server = await buildServer(backend);
  const host = options.host ?? '127.0.0.1';
  await server.listen({ host, port: options.port ?? 0 });
  const url = urlOf(server.server.address(), host);
  const { clock, jobs, deliveries, uploads, rules, platform, runner, webhooks } = backend;
  return {
    url,
    controlUrl: `${url}/control`,
    apiKey: apiKeys[0] ?? '',
    clock,
    jobs,
    deliveries,
    uploads,
    rules,
    platform,
    runner,
    webhooks,
    reset: () => backend.reset(),
    close: async () => {
      await server.close();
      await backend.close();
    },
  };
}

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const name = host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
