import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { Settings } from '../../platform/config/settings.js';
import { withLogFields } from '../../platform/logging/log-context.js';
import { withTimeout } from '../../platform/with-timeout.js';
import { IntervalScheduler } from '../../platform/schedule/interval-scheduler.js';
import { ShutdownDeadline } from '../../platform/config/shutdown-deadline.js';
import { inSpan, linksTo } from '../../platform/tracing/spans.js';
import { TaskQueue } from '../../tasks/task-queue.js';
import { WorkerLoop } from '../../tasks/worker-loop.js';
import { SubmissionQueueStore, type QueuedJob, type Unsent } from './submission-queue.store.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';
import { SubmissionLimiter } from './submission-limiter.js';
import { SubmissionTransitions } from './submission-transitions.js';
import { Submitter } from './submitter.js';

/** How often it checks for due jobs without a notification. */
const POLL_SECONDS = 1;
/** Timeout for the database at shutdown. */
const RELEASE_TIMEOUT_MILLISECONDS = 1000;
/** Maximum number of jobs that are prepared, under way, or being written: a slow database stops further leases. */
const JOBS_PER_SLOT = 6;

/** Leases due queued jobs and hands them to the submitter, in processes with the role `worker`. */
@Injectable()
export class SubmissionWorker
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown
{
  private readonly logger = new Logger(SubmissionWorker.name);
  private readonly underWay = new Set<Promise<void>>();
  private readonly loop = new WorkerLoop(
    () => this.acquireJobs(),
    (error) => this.logger.warn({ msg: 'could not lease queued jobs', err: error }),
  );
  private readonly maxUnderWay: number;
  private unsent: Unsent[] = [];
  private mayBeMore = false;

  constructor(
    settings: Settings,
    private readonly tasks: TaskQueue,
    private readonly scheduler: IntervalScheduler,
    private readonly shutdownDeadline: ShutdownDeadline,
    private readonly queue: SubmissionQueueStore,
    private readonly transitions: SubmissionTransitions,
    private readonly limiter: SubmissionLimiter,
    private readonly submitter: Submitter,
  ) {
    this.maxUnderWay = settings.SUBMIT_CONCURRENCY * JOBS_PER_SLOT;
  }

  onModuleInit(): void {
    const wake = (): void => this.loop.wake();
    this.tasks.subscribe(JOBS_QUEUED, wake, wake);
    this.limiter.onSlotFree(() => this.mayBeMore && wake());
  }

  onApplicationBootstrap(): void {
    this.scheduler.every(POLL_SECONDS, 'submission', () => Promise.resolve(this.loop.wake()));
  }

  /** Waits for requests under way and releases unsent jobs for other workers. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop(this.shutdownDeadline.leftMilliseconds);
    this.submitter.stopSending();
    await withTimeout(this.shutdownDeadline.leftMilliseconds, Promise.all(this.underWay));
    const released = await withTimeout(
      RELEASE_TIMEOUT_MILLISECONDS,
      this.releaseUnsent('the process was stopped'),
    );
    if (released.outcome !== 'done') {
      this.logger.warn({
        msg: 'could not release queued jobs; they are due when their leases expire',
      });
    }
  }

  private async acquireJobs(): Promise<boolean> {
    this.mayBeMore = true;
    await this.releaseUnsent('no slot was free in time');
    const wanted = Math.min(this.limiter.freeSlots, this.maxUnderWay - this.underWay.size);
    // A freed slot wakes the loop again.
    if (wanted < this.limiter.minBatch) return false;
    const leased = await this.transitions.acquireJobs(wanted);
    this.mayBeMore = leased.length === wanted;
    for (const job of leased) this.startSubmission(job);
    return false;
  }

  private async releaseUnsent(reason: string): Promise<void> {
    const unsent = this.unsent.splice(0);
    if (unsent.length === 0) return;
    try {
      await this.queue.releaseUnsent(unsent, reason);
    } catch (error) {
      this.unsent.push(...unsent);
      throw error;
    }
  }

  private traced(job: QueuedJob): Promise<Unsent | undefined> {
    const { id, trace } = job;
    const attributes = { 'gateway.job_id': id };
    const options = { kind: SpanKind.CONSUMER, root: true, attributes, links: linksTo(trace) };
    return inSpan('submit', options, () => this.submitter.submitJob(job));
  }

  private startSubmission(job: QueuedJob): void {
    const done = this.submitJob(job).finally(() => {
      this.underWay.delete(done);
      if (this.mayBeMore) this.loop.wake();
    });
    this.underWay.add(done);
  }

  private async submitJob(job: QueuedJob): Promise<void> {
    const { id } = job;
    try {
      const unsent = await withLogFields({ task: 'submit', jobId: id }, () => this.traced(job));
      if (unsent !== undefined) this.unsent.push(unsent);
    } catch (error) {
      this.logger.error({
        msg: 'submit failed; it is retried when the lease expires',
        jobId: id,
        err: error,
      });
    }
  }
}
