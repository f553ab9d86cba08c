import { MARKERS } from './job-mix.js';
import type { PlatformSettings } from '../../src/sandbox/faults/platform-switches.js';

/** A job as the sandbox knows it: the truth that the gateway's answers are held against. */
export interface UpstreamJob {
  readonly id: string;
  readonly status: string;
  readonly createdAt: number;
  readonly gatewayJobId: string | undefined;
  readonly token: string | undefined;
  /** Of a request without the gateway's metadata: a synchronous call. */
  readonly marker?: string | undefined;
  /** The whole of it, for reports. */
  readonly raw: Record<string, unknown>;
}

/** The sandbox's control routes, reached beside all proxies. */
export class SandboxControl {
  constructor(private readonly url: string) {}

  async jobs(): Promise<UpstreamJob[]> {
    const answer = await fetch(`${this.url}/control/jobs`);
    const jobs: unknown = await answer.json();
    return Array.isArray(jobs) ? jobs.map(readJob) : [];
  }

  async deliveries(jobId: string): Promise<string[]> {
    const answer = await fetch(`${this.url}/control/deliveries?job=${jobId}`);
    const deliveries: unknown = await answer.json();
    return Array.isArray(deliveries) ? deliveries.map(describeDelivery) : [];
  }

  platform(settings: PlatformSettings): Promise<void> {
    return this.post('/control/platform', settings);
  }

  /** Sends a callback with this body; what is answered does not matter here. */
  forge(url: string, body: unknown): Promise<void> {
    return this.post('/control/webhooks/forge', { url, body, timeoutMs: 2_000 });
  }

  resend(jobId: string, status: string): Promise<void> {
    return this.post(`/control/jobs/${jobId}/webhook`, { status });
  }

  private async post(path: string, body: unknown): Promise<void> {
    const answer = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the sandbox refused ${path}: ${answer.status} ${text}`);
  }
}

function readJob(raw: unknown): UpstreamJob {
  const job = recordOf(raw);
  const body = recordOf(job['body']);
  // Edit carries the metadata in its webhook, all others in `async`.
  const { metadata } = { ...recordOf(body['webhook']), ...recordOf(body['async']) };
  const { gateway_job_id: gatewayJobId, token } = recordOf(metadata);
  return {
    id: String(job['id']),
    status: String(job['status']),
    createdAt: Number(job['createdAt']),
    gatewayJobId: typeof gatewayJobId === 'string' ? gatewayJobId : undefined,
    token: typeof token === 'string' ? token : undefined,
    marker: gatewayJobId === undefined ? JSON.stringify(body).match(MARKERS)?.[0] : undefined,
    raw: job,
  };
}

function describeDelivery(raw: unknown): string {
  const { attempt, status, error, sentAt, body } = recordOf(raw);
  const at = new Date(Number(sentAt)).toISOString();
  return `${at} try ${String(attempt)}: ${String(status ?? error)} ${String(body).slice(0, 200)}`;
}

export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
