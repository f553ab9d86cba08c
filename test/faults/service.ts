import { GatewayClient, type Answer } from './client.js';
import type { PlannedJob } from './job-mix.js';
import { newRecord, readEvents, readReported, TERMINAL, type JobRecord } from './job-record.js';
import { documentOf, requestOf } from './requests.js';

const WAIT_SECONDS = 10;

/** The services of the company: they submit the planned jobs and follow each of them to its end. */
export class SimulatedServices {
  readonly records: JobRecord[] = [];
  /** Waits for the end of a job that were answered long before their time, and without an end. */
  earlyAnswers = 0;
  private readonly accepted = new Map<PlannedJob, Promise<string | undefined>>();

  /** One client for each service, since each has a key of its own. */
  constructor(private readonly clients: ReadonlyMap<string, GatewayClient>) {}

  /** Resolves when all jobs have ended, or the clients time out. */
  async run(jobs: readonly PlannedJob[]): Promise<void> {
    await Promise.all(jobs.map((job) => this.live(job)));
  }

  /** Once more, after everything and with `clients` of its own: what a job says now, and its timeline. */
  async readAgain(clients: ReadonlyMap<string, GatewayClient>): Promise<void> {
    await Promise.all(
      this.records.map(async (record) => {
        const client = clients.get(record.planned.service);
        const [id] = record.ids;
        if (id === undefined || client === undefined) return;
        const job = await client.insist('GET', `/v1/jobs/${id}`);
        if (job?.status === 200) record.last = readReported(job.text);
        if (job?.status === 404) record.unknownAnswers += 1;
        const events = await client.insist('GET', `/v1/jobs/${id}/events?limit=200`);
        if (events?.status === 200) record.events = readEvents(events.text);
      }),
    );
  }

  progress(): string {
    const accepted = this.records.filter(({ ids }) => ids.length > 0).length;
    const ended = this.records.filter(({ first }) => first !== undefined).length;
    return `${this.records.length} jobs planned, ${accepted} accepted, ${ended} ended`;
  }

  private async live(job: PlannedJob): Promise<void> {
    const record = newRecord(job);
    this.records.push(record);
    const accepted = this.submit(job, record);
    this.accepted.set(job, accepted);
    const id = await accepted;
    if (id === undefined) return;
    await Promise.all([this.follow(id, record), this.cancelInTime(id, record)]);
    if (record.first?.status === 'completed') await this.fetchResult(id, record);
  }

  /** As a good client: the same key and the same body until there is an answer that counts. */
  private async submit(job: PlannedJob, record: JobRecord): Promise<string | undefined> {
    const client = this.clientOf(job);
    await client.pause(job.submitAfterMs);
    const reference = await this.referenceFor(job);
    if (reference === undefined && job.input !== 'url' && job.input !== 'urls') {
      // The job that it builds upon was never accepted: there is nothing to submit.
      record.refused = { status: 0, code: 'no_source' };
      return undefined;
    }
    const request = {
      body: requestOf(job, reference),
      headers: { 'idempotency-key': job.key },
    };
    for (let times = job.repeats ? 2 : 1; times > 0; times--) {
      const answer = await client.insist('POST', '/v1/jobs', request);
      if (answer?.status === 202) record.ids.push(String(answer.body['id']));
      else if (answer !== undefined) record.refused = refusalIn(answer);
    }
    return record.ids[0];
  }

  /** The upload or the job that the input names; `undefined` where it needs none or cannot be had. */
  private async referenceFor(job: PlannedJob): Promise<string | undefined> {
    if (job.buildsOn !== undefined) return this.accepted.get(job.buildsOn);
    if (job.input === 'url' || job.input === 'urls') return undefined;
    const body = new FormData();
    body.set('file', new Blob([documentOf(job)]), 'document.txt');
    // An upload that was refused may have met an outage; a second copy of it does no harm.
    const answer = await this.clientOf(job).insist(
      'POST',
      '/v1/uploads',
      { body },
      ({ status }) => status < 300,
    );
    return answer === undefined ? undefined : String(answer.body['id']);
  }

  private async follow(id: string, record: JobRecord): Promise<void> {
    const client = this.clientOf(record.planned);
    const request = { timeoutMs: (WAIT_SECONDS + 4) * 1_000 };
    for (;;) {
      const asked = performance.now();
      const answer = await client.insist('GET', `/v1/jobs/${id}?wait=${WAIT_SECONDS}`, request);
      if (answer === undefined) return;
      if (answer.status === 200) {
        const reported = readReported(answer.text);
        if (TERMINAL.includes(reported.status)) {
          record.first = reported;
          return;
        }
        if (performance.now() - asked > (WAIT_SECONDS * 1_000) / 2) continue;
        // Sent back before the time: a replica that is about to stop does that.
        this.earlyAnswers += 1;
      }
      if (answer.status === 404) record.unknownAnswers += 1;
      await client.pause(500);
    }
  }

  private async cancelInTime(id: string, record: JobRecord): Promise<void> {
    const { cancelAfterMs } = record.planned;
    if (cancelAfterMs === undefined) return;
    const client = this.clientOf(record.planned);
    await client.pause(cancelAfterMs);
    record.cancelAsked = true;
    await client.insist('POST', `/v1/jobs/${id}/cancel`);
  }

  private async fetchResult(id: string, record: JobRecord): Promise<void> {
    const answer = await this.clientOf(record.planned).insist('GET', `/v1/jobs/${id}/result`);
    if (answer !== undefined) record.result = { status: answer.status, text: answer.text };
  }

  private clientOf({ service }: PlannedJob): GatewayClient {
    const client = this.clients.get(service);
    if (client === undefined) throw new Error(`service ${service} has no key`);
    return client;
  }
}

function refusalIn({ status, body }: Answer): NonNullable<JobRecord['refused']> {
  return { status, code: String(body['code']) };
}
