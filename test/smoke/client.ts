import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './command.js';
import { ROOT, type Stack } from './stack.js';

export interface Job {
  readonly id: string;
  readonly status: string;
  readonly settledBy: string | null;
}

export interface Refusal {
  readonly cause: string;
  readonly clientAddress: string;
  readonly forwardedFor?: string | null;
}

interface Request {
  readonly method?: string;
  readonly body?: string | FormData;
  readonly headers?: Readonly<Record<string, string>>;
  readonly admin?: boolean;
}

/** An internal service, and where needed the admin. */
export class Client {
  private constructor(
    private readonly urls: readonly string[],
    private readonly key: string,
    private readonly adminKey: string,
  ) {}

  /** With a key that the command in the container makes. */
  static async of(stack: Stack, ...urls: string[]): Promise<Client> {
    const printed = await stack.command('gateway', 'gateway keys create --service smoke');
    const key = /rgw_\S+/.exec(printed)?.[0];
    if (key === undefined) throw new Error(`no key in: ${printed}`);
    const admin = (await stack.secrets()).get('bootstrap-admin-key') ?? '';
    return new Client(urls.length > 0 ? urls : ['http://127.0.0.1:13000'], key, admin);
  }

  /** The same, where only one of the gateways is left. */
  only(index: number): Client {
    return new Client(this.urls.slice(index, index + 1), this.key, this.adminKey);
  }

  ask(path: string, { admin, headers, ...init }: Request = {}, from = 0): Promise<Response> {
    const key = admin === true ? this.adminKey : this.key;
    return fetch(`${this.urls[from % this.urls.length] ?? ''}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${key}`, ...headers },
      signal: AbortSignal.timeout(70_000),
    });
  }

  async upload(): Promise<string> {
    const pdf = await readFile(join(ROOT, 'src/dev/demo/rental-agreement.pdf'));
    const form = new FormData();
    form.set('file', new Blob([pdf]), 'rental-agreement.pdf');
    const response = await this.ask('/v1/uploads', { method: 'POST', body: form });
    if (!response.ok) throw new Error(`upload: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { id: string }).id;
  }

  submit(input: string, more: Record<string, unknown> = {}, from = 0): Promise<Response> {
    return this.ask(
      '/v1/jobs',
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'parse', input, ...more }),
      },
      from,
    );
  }

  async accepted(input: string, more: Record<string, unknown> = {}, from = 0): Promise<string> {
    const response = await this.submit(input, more, from);
    if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
    return ((await response.json()) as Job).id;
  }

  /** The ended job, from any gateway, with repeats of unanswered requests. */
  ended(id: string, seconds = 120): Promise<Job> {
    return until(
      `job ${id} has ended`,
      async () => {
        const response = await this.ask(`/v1/jobs/${id}?wait=5`);
        const job = (await response.json()) as Job;
        return ['completed', 'failed', 'expired', 'cancelled'].includes(job.status)
          ? job
          : undefined;
      },
      seconds,
    );
  }

  async allComplete(ids: readonly string[], seconds = 120): Promise<string> {
    const jobs = await Promise.all(ids.map((id) => this.ended(id, seconds)));
    const other = jobs.filter(({ status }) => status !== 'completed');
    if (other.length > 0) throw new Error(`not completed: ${JSON.stringify(other.slice(0, 3))}`);
    const byWebhook = jobs.filter(({ settledBy }) => settledBy === 'webhook').length;
    return `${jobs.length} jobs, ${byWebhook} by callback`;
  }

  async refusals(): Promise<readonly Refusal[]> {
    const response = await this.ask('/v1/admin/refusals?limit=100', { admin: true });
    return ((await response.json()) as { refusals: readonly Refusal[] }).refusals;
  }
}
