import { setTimeout } from 'node:timers/promises';

/** The parts of a job that the demo shows. */
export interface DemoJob {
  readonly id: string;
  readonly status: string;
  readonly settledBy: string | null;
}

/** A file that a result links to. */
export interface DemoFile {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly url: string;
}

/** An attempt to deliver an event. */
export interface DemoAttempt {
  readonly attempt: number;
  readonly status: number | null;
  readonly error: string | null;
}

/** How an internal service uses the gateway: plain REST, nothing of the gateway's code. */
export class DemoClient {
  private constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  static async withNewKey(url: string, adminKey: string, service: string): Promise<DemoClient> {
    const admin = new DemoClient(url, adminKey);
    const made = await admin.call<{ key: string }>('POST', '/v1/admin/keys', {
      service,
      scopes: ['jobs'],
    });
    return new DemoClient(url, made.key);
  }

  async upload(bytes: Uint8Array, name: string): Promise<string> {
    const form = new FormData();
    form.append('file', new Blob([Uint8Array.from(bytes)], { type: 'application/pdf' }), name);
    return (await this.call<{ id: string }>('POST', '/v1/uploads', form)).id;
  }

  /** Submits a job and waits for its end. */
  async run(request: object): Promise<DemoJob> {
    const { id } = await this.call<DemoJob>('POST', '/v1/jobs', request);
    return this.call<DemoJob>('GET', `/v1/jobs/${id}?wait=60`);
  }

  async events(id: string): Promise<{ at: string; type: string }[]> {
    return (
      await this.call<{ events: { at: string; type: string }[] }>('GET', `/v1/jobs/${id}/events`)
    ).events;
  }

  /** Creates an endpoint for events that retries quickly, and returns its signing secret. */
  async createEndpoint(url: string): Promise<string> {
    const settings = { url, retrySchedule: [0.5, 0.5] };
    return (await this.call<{ secret: string }>('POST', '/v1/endpoints', settings)).secret;
  }

  /** The attempts to deliver an event, once there are `count`. */
  async attempts(event: string, count: number): Promise<DemoAttempt[]> {
    for (;;) {
      const path = `/v1/events/${event}/attempts`;
      const { attempts } = await this.call<{ attempts: DemoAttempt[] }>('GET', path);
      if (attempts.length >= count) return attempts;
      await setTimeout(100);
    }
  }

  /** The readable part of a result: the text of a parse, the fields of an extract. */
  async resultText(id: string): Promise<string> {
    const { result } = await this.call<{ result: { chunks?: { content: string }[] } }>(
      'GET',
      `/v1/jobs/${id}/result`,
    );
    return (
      result.chunks?.map((chunk) => chunk.content).join('\n\n') ?? JSON.stringify(result, null, 2)
    );
  }

  async files(id: string): Promise<DemoFile[]> {
    return (await this.call<{ files: DemoFile[] }>('GET', `/v1/jobs/${id}/files?signedSeconds=60`))
      .files;
  }

  async forgeCallback(jobId: string): Promise<{ status: number; code: string }> {
    const metadata = { gateway_job_id: jobId, token: `v1.${'A'.repeat(43)}` };
    const response = await fetch(`${this.url}/webhooks/reducto`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ status: 'Completed', job_id: 'made-up', metadata }),
    });
    const { code } = (await response.json()) as { code: string };
    return { status: response.status, code };
  }

  private async call<T>(method: string, path: string, body?: object): Promise<T> {
    const isForm = body instanceof FormData;
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    if (!response.ok)
      throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}
