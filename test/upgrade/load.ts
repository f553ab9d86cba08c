import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayClient } from '../faults/client.js';
import { recordOf } from '../faults/sandbox-control.js';

/** A job as its service knows it. */
export interface LoadedJob {
  readonly id: string;
  /** The last reported status; `undefined` without an answer. */
  status?: string;
  resultStatus?: number;
}

/** How long a request for the end of a job is held. */
const WAIT_SECONDS = 10;
/** A machine that does other things as well may be slow without being wrong. */
const TIMEOUT_MS = 15_000;

/** A service that submits jobs one after the other for as long as it is let, and follows each to its end. */
export class Load {
  readonly jobs: LoadedJob[] = [];
  private readonly following: Promise<void>[] = [];
  private count = 0;

  constructor(private readonly client: GatewayClient) {}

  /** Submits every `everyMs` until `until` aborts, and then waits for the ends. */
  async run(everyMs: number, until: AbortSignal): Promise<void> {
    const submits: Promise<void>[] = [];
    const refused = new AbortController();
    while (!until.aborted && !refused.signal.aborted) {
      const submit = this.submit((this.count += 1));
      submit.catch(() => refused.abort());
      submits.push(submit);
      await sleep(everyMs);
    }
    await Promise.all(submits);
    await Promise.all(this.following);
  }

  /** As a good client: with the same key and body until there is an answer that counts. */
  private async submit(n: number): Promise<void> {
    // Every third callback is lost: then the new processes must find the jobs of the old ones by polling.
    const sim = n % 3 === 0 ? { webhook: { send: 'never' } } : {};
    const body = { type: 'parse', input: `https://documents.example/${n}.pdf`, sim };
    const headers = { 'idempotency-key': `upgrade-${n}` };
    const request = { body, headers, timeoutMs: TIMEOUT_MS };
    const answer = await this.client.insist('POST', '/v1/jobs', request);
    if (answer?.status !== 202) throw new Error(`job ${n} was not accepted: ${answer?.text}`);
    const job: LoadedJob = { id: String(answer.body['id']) };
    this.jobs.push(job);
    this.following.push(this.follow(job));
  }

  private async follow(job: LoadedJob): Promise<void> {
    const request = { timeoutMs: (WAIT_SECONDS + 4) * 1000 };
    for (;;) {
      const path = `/v1/jobs/${job.id}?wait=${WAIT_SECONDS}`;
      const answer = await this.client.insist('GET', path, request);
      if (answer === undefined) return;
      const reported = recordOf(answer.body);
      job.status = answer.status === 200 ? String(reported['status']) : `answer ${answer.status}`;
      if (answer.status !== 200) return;
      if (reported['endedAt'] !== null) break;
    }
    const result = await this.client.insist('GET', `/v1/jobs/${job.id}/result`, {
      timeoutMs: TIMEOUT_MS,
    });
    if (result !== undefined) job.resultStatus = result.status;
  }
}
