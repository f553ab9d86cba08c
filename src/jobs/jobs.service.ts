import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../access/caller.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { FairTurns } from '../platform/fair-turns.js';
import type { ByteRange } from '../platform/http/byte-range.js';
import { withoutWhitespace } from '../platform/json/json-edits.js';
import { addLogFields } from '../platform/logging/log-context.js';
import { currentTraceparent } from '../platform/tracing/spans.js';
import { timeOrderedId } from '../platform/time-ordered-id.js';
import type { Call } from './calls/call-plan.js';
import type { Dependent } from './submission/dependent-jobs.js';
import { JobAcceptance, type Joined } from './submission/job-acceptance.js';
import type { NewJob } from './submission/job-submission.store.js';
import { JobCancellation } from './cancellation/job-cancellation.js';
import { checkNotDeleted, JobDeletion } from './deletion/job-deletion.js';
import { CoolDownReasons } from './leases/cool-down-reasons.js';
import { JobCompletionNotifier, type CompletedJob } from './api/job-completion.notifier.js';
import type { JobResult } from './results/job-result.entity.js';
import type { JobFile } from './files/job-file.entity.js';
import { FileLinks } from './files/file-links.js';
import { JobFiles } from './files/job-files.js';
import { replaceLinks } from './files/signed-links.js';
import { decodedResult, type ServedResult } from './result-response.js';
import { isTerminal } from './job-status.js';
import type { JobRequest } from './job-request.js';
import { isJobId, Job } from './job.entity.js';
import { JobQueries, type JobFilter } from './persistence/job-queries.store.js';
import { ResultStore } from './results/result.store.js';
import { InputJobs } from './submission/input-jobs.js';
import type { TimelineEntry } from './timeline/timeline.js';
import { TimelineSources, type TimelineSource } from './timeline/timeline-sources.js';
import { throwNoResult } from './results/no-result.js';
import { UploadReferences } from './uploads/upload-references.js';

/** `Retry-After` of a submit to a full queue. */
const QUEUE_FULL_RETRY_SECONDS = 5;

/** Operations of internal services on their jobs. Jobs of other services are not found. */
@Injectable()
export class JobsService {
  private readonly logger = new Logger(JobsService.name);

  constructor(
    private readonly jobAcceptance: JobAcceptance,
    private readonly queries: JobQueries,
    private readonly coolDowns: CoolDownReasons,
    private readonly results: ResultStore,
    private readonly completionNotifier: JobCompletionNotifier,
    private readonly cancellation: JobCancellation,
    private readonly deletion: JobDeletion,
    private readonly inputs: InputJobs,
    private readonly uploads: UploadReferences,
    private readonly timelineSources: TimelineSources,
    private readonly jobFiles: JobFiles,
    private readonly fileLinks: FileLinks,
  ) {}

  /**
   * Accepts a job; once this resolves the job is durable. A repeated `idempotencyKey` returns the first job, or
   * throws `idempotency_key_reused` if the request differs.
   */
  async accept(service: string, request: JobRequest, idempotencyKey: string | null): Promise<Job> {
    const requestHash = idempotencyKey === null ? null : await hashOf(request.text);
    const find = (): Promise<Job | null> => this.findRepeat(service, idempotencyKey, requestHash);
    return firstOr(find, async () => {
      const { job, inputs } = await this.newJob(service, request, { idempotencyKey, requestHash });
      const accepted = await this.jobAcceptance.acceptJob(job, request.text.length, inputs);
      if (typeof accepted === 'string') throw notAccepted(service, accepted);
      return accepted;
    });
  }

  /**
   * As `accept` without an idempotency key, unless `call` repeats a call of the last 70 minutes: then it joins the job of
   * that call, and is not validated again. Returns the id of the job.
   */
  async acceptOrJoin(service: string, request: JobRequest, call: Call): Promise<string> {
    const find = async (): Promise<Joined | null> =>
      call.retries === 0 ? null : this.jobAcceptance.joinCall(call);
    const accepted = await firstOr<Job | Joined>(find, async () => {
      const { job, inputs } = await this.newJob(service, request, NO_KEY);
      const { length } = request.text;
      const outcome = await this.jobAcceptance.acceptCall(job, length, inputs, call);
      if (typeof outcome === 'string') throw notAccepted(service, outcome);
      return outcome;
    });
    if (!('joined' in accepted)) return accepted.id;
    addLogFields({ jobId: accepted.joined });
    this.logger.log({ msg: 'a repeated request joins a job', retries: call.retries });
    return accepted.joined;
  }

  private async newJob(
    service: string,
    { type, priority, metadata, channels, webhook, body, references }: JobRequest,
    key: Pick<NewJob, 'idempotencyKey' | 'requestHash'>,
  ): Promise<Dependent<NewJob>> {
    const inputs = await this.inputs.checkReferences(service, references);
    await this.uploads.check(service, body);
    const id = timeOrderedId();
    addLogFields({ jobId: id });
    const refersToJobs = references.length > 0;
    const trace = currentTraceparent() ?? null;
    const webhookUrl = webhook === null ? null : await webhook();
    const job = {
      id,
      service,
      type,
      priority,
      metadata,
      channels,
      request: body,
      refersToJobs,
      webhookUrl,
      trace,
    };
    return { job: { ...job, ...key }, inputs };
  }

  /** Returns the job once it has ended, or after `waitSeconds`. Throws `job_not_found`. */
  async get(service: string, id: string, waitSeconds: number, signal: AbortSignal): Promise<Job> {
    if (waitSeconds <= 0) return this.find(service, id);
    const end = performance.now() + waitSeconds * 1000;
    // A wake-up can be spurious: after a lost notification all waiting requests are woken.
    for (;;) {
      const done = new AbortController();
      const seconds = Math.max(end - performance.now(), 0) / 1000;
      const woken = this.completionNotifier.waitForEnd(
        id,
        seconds,
        AbortSignal.any([signal, done.signal]),
      );
      try {
        const job = await this.find(service, id);
        if (isTerminal(job.status) || seconds === 0 || signal.aborted) return job;
        const completed = await woken;
        if (completed !== undefined) return withEnd(job, completed);
        if (this.completionNotifier.stopping) return await this.find(service, id);
      } finally {
        done.abort();
      }
    }
  }

  async list(service: string, filter: JobFilter, limit: number): Promise<Job[]> {
    return this.coolDowns.explain(await this.queries.listJobs(service, filter, limit));
  }

  /** Erases the URLs of the webhooks of deleted jobs. */
  eraseWebhooks(manager: EntityManager, ids: readonly string[]): Promise<void> {
    return this.deletion.eraseWebhooks(manager, ids);
  }

  /** Whether open jobs of `service` name a webhook whose URL begins with `origin`. */
  hasOpenWebhooks(manager: EntityManager, service: string, origin: string): Promise<boolean> {
    return this.queries.hasOpenWebhooks(manager, service, origin);
  }

  /** For features above jobs: `source` adds entries to the timelines. Call it in `onModuleInit`. */
  addTimelineSource(source: TimelineSource): void {
    this.timelineSources.add(source);
  }

  /** A page of the timeline, oldest first. Throws `job_not_found`. */
  async events(
    service: string,
    id: string,
    after: string | undefined,
    limit: number,
  ): Promise<TimelineEntry[]> {
    const job = await this.find(service, id);
    return this.queries.listTimeline(job, after, limit);
  }

  /** The stored result. Throws `job_not_found`, `job_not_completed`, `job_has_no_result` or `result_expired`. */
  async result(service: string, id: string): Promise<JobResult> {
    return this.resultOf(await this.find(service, id));
  }

  /** As `result`, of a job that was read before. */
  async resultOf(job: Job): Promise<JobResult> {
    const result = job.status === 'completed' ? await this.results.findContent(job.id) : null;
    return result ?? throwNoResult(job);
  }

  /** For `sendResult`. */
  serve(result: JobResult): ServedResult {
    const bytes = (): AsyncIterable<Buffer> => this.results.readContent(result);
    return { result, bytes, links: this.fileLinks.newLinks(result) };
  }

  /**
   * The JSON of a result, with links to its files that need no API key for a while. `size` is undefined if links were
   * replaced.
   */
  async openResult(
    job: Job,
    result: JobResult,
  ): Promise<{ content: AsyncIterable<Buffer>; size: number | undefined }> {
    const content = decodedResult(this.results.readContent(result));
    const files = await this.jobFiles.list(job);
    if (files.length === 0) return { content, size: Number(result.sizeBytes) };
    const names = new Set(files.map(({ name }) => name));
    const signed = this.fileLinks.signAll(job.id);
    return {
      content: replaceLinks(content, signed.path, (name) =>
        names.has(name) ? signed.addressOf(name) : undefined,
      ),
      size: undefined,
    };
  }

  /** The files of a result, by name. Throws as `result`. */
  async files(service: string, id: string): Promise<JobFile[]> {
    return this.jobFiles.list(await this.find(service, id));
  }

  /** Throws as `result`, or `file_not_found`. */
  async file(service: string, id: string, name: string): Promise<JobFile> {
    return this.jobFiles.find(await this.find(service, id), name);
  }

  fileBytes(file: JobFile, range: ByteRange): AsyncIterable<Buffer> {
    return this.jobFiles.readBytes(file, range);
  }

  /** Requests the cancel, idempotently, and returns the job. Throws `job_not_found` or `job_already_ended`. */
  async cancel(service: string, id: string): Promise<Job> {
    const job = await this.find(service, id);
    if (isTerminal(job.status) && job.status !== 'cancelled') {
      throw new GatewayError('job_already_ended', `The job is ${job.status}.`);
    }
    await this.cancellation.requestCancel(job);
    return this.find(service, id);
  }

  /**
   * Deletes a job that has ended: its result, files, and metadata at once, and at Reducto soon. Later requests throw
   * `job_deletion_in_progress`, then `job_deleted`. Throws `job_not_found` or `job_not_completed`.
   */
  async delete(
    { keyId, service }: Caller,
    id: string,
    includePersisted: boolean,
    via: 'api' | 'sdk',
  ): Promise<void> {
    const job = await this.find(service, id);
    await this.deletion.deleteJob(job, includePersisted, { keyId, service, via });
  }

  private async find(service: string, id: string): Promise<Job> {
    const job = isJobId(id) ? await this.queries.findOwn(service, id) : null;
    if (job === null) throw new GatewayError('job_not_found');
    addLogFields({ jobId: job.id });
    checkNotDeleted(job);
    const [explained = job] = await this.coolDowns.explain([job]);
    return explained;
  }

  private async findRepeat(
    service: string,
    key: string | null,
    requestHash: Buffer | null,
  ): Promise<Job | null> {
    if (key === null || requestHash === null) return null;
    const job = await this.queries.findByIdempotencyKey(service, key);
    if (job !== null && job.requestHash?.equals(requestHash) !== true) {
      throw new GatewayError(
        'idempotency_key_reused',
        `It belongs to job ${job.id}, which has a different request.`,
      );
    }
    return job;
  }
}

const NO_KEY = { idempotencyKey: null, requestHash: null };

/**
 * What `find` finds of the first request, else what `make` makes. `make` may refuse a repeat whose first request was
 * accepted, even since `find`: a document can be deleted, and a DNS answer can change.
 */
async function firstOr<Found>(
  find: () => Promise<Found | null>,
  make: () => Promise<Found>,
): Promise<Found> {
  const first = await find();
  if (first !== null) return first;
  try {
    return await make();
  } catch (error) {
    const accepted = await find();
    if (accepted === null) throw error;
    return accepted;
  }
}

function notAccepted(service: string, why: 'repeated' | 'queue_full'): Error {
  if (why === 'repeated') return new Error('the accepted job was not found');
  return new GatewayError(
    'queue_full',
    `Service ${service} has as many queued jobs as an admin allows. Submit the job again once some have been sent.`,
    { retryAfterSeconds: QUEUE_FULL_RETRY_SECONDS },
  );
}

/** `job`, which was read while it was open, as it is now. */
function withEnd(job: Job, completed: CompletedJob): Job {
  const end = {
    status: 'completed',
    error: null,
    deferralReason: null,
    deferredUntil: null,
  } as const;
  return Object.assign(new Job(), job, completed, end);
}

/** Requests that differ only in whitespace between tokens are equal. */
async function hashOf(request: string): Promise<Buffer> {
  const hash = createHash('sha256');
  const turns = new FairTurns();
  for (const piece of withoutWhitespace(request)) {
    hash.update(piece);
    await turns.pause();
  }
  return hash.digest();
}
