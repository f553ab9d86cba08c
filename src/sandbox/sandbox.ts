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
  /** 0 selects a free port. */
  port?: number;
  apiKeys?: readonly string[];
  /** Base URL of the links in responses; default: the host that the caller used. */
  publicUrl?: string;
  /** Virtual milliseconds per real millisecond; at 0, only `clock.advance()` moves the clock. */
  speed?: number;
  /** Initial platform switches; a reset restores them. */
  platform?: PlatformSettings;
}

/** A running sandbox, with its internals for tests. */
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

/** Starts a sandbox of the Reducto API in this process. */
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
