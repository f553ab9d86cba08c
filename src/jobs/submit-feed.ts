import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { Settings } from '../platform/config/settings.js';
import { withLogFields } from '../platform/logging/log-context.js';
import { awaitAtMost } from '../platform/patience.js';
import { Duties } from '../platform/schedule/duties.js';
import { StopTime } from '../platform/config/stop-time.js';
import { inSpan, linksTo } from '../platform/tracing/spans.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { WokenLoop } from '../tasks/woken-loop.js';
import { JobQueueStore, type QueuedJob, type Unsent } from './job-queue.store.js';
import { JOBS_QUEUED } from './job.store.js';
import { SubmitPlaces } from './submit-places.js';
import { SubmitSteps } from './submit-steps.js';
import { Submitter } from './submitter.js';

/** How often it looks without having been told: for jobs that were put off. */
const LOOK_SECONDS = 1;
/** How long a database that may be silent is waited for at a stop. */
const GOODBYE_MILLISECONDS = 1000;
/** Jobs that are got ready, on their way or written down: when the database is slow, no more are taken up. */
const IN_HAND_PER_PLACE = 6;

/**
 * Feeds the submitter with the queued jobs that are due, in processes with the role `worker`. The jobs
 * themselves are the queue, ordered by `next_check_at`: that is when they were accepted, or until when they
 * were put off.
 */
@Injectable()
export class SubmitFeed implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(SubmitFeed.name);
  private readonly inHand = new Set<Promise<void>>();
  private readonly loop = new WokenLoop(
    () => this.take(),
    (error) => this.logger.warn({ msg: 'queued jobs could not be taken up', err: error }),
  );
  private readonly most: number;
  private unsent: Unsent[] = [];
  private mayBeMore = false;

  constructor(
    private readonly settings: Settings,
    private readonly tasks: TaskQueue,
    private readonly duties: Duties,
    private readonly stopTime: StopTime,
    private readonly queue: JobQueueStore,
    private readonly steps: SubmitSteps,
    private readonly places: SubmitPlaces,
    private readonly submitter: Submitter,
  ) {
    this.most = settings.SUBMIT_CONCURRENCY * IN_HAND_PER_PLACE;
  }

  onModuleInit(): void {
    if (!this.settings.has('worker')) return;
    const wake = (): void => this.loop.wake();
    this.tasks.subscribe(JOBS_QUEUED, wake, wake);
    this.places.onFree(() => this.mayBeMore && wake());
  }

  onApplicationBootstrap(): void {
    if (!this.settings.has('worker')) return;
    this.duties.every(LOOK_SECONDS, 'submit feed', () => Promise.resolve(this.loop.wake()));
  }

  /** Finishes what is on its way to Reducto; what has not left yet goes back at once, for other workers. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop(this.stopTime.leftMilliseconds);
    this.submitter.sendNoMore();
    await awaitAtMost(this.stopTime.leftMilliseconds, Promise.all(this.inHand));
    const given = await awaitAtMost(GOODBYE_MILLISECONDS, this.putBack('the process was stopped'));
    if (given.outcome !== 'done') {
      this.logger.warn({ msg: 'queued jobs could not be given back; others take them up later' });
    }
  }

  private async take(): Promise<boolean> {
    this.mayBeMore = true;
    await this.putBack('its turn came too late');
    const wanted = Math.min(this.places.wanted, this.most - this.inHand.size);
    // Whoever leaves a place asks again.
    if (wanted < this.places.worthwhile) return false;
    const taken = await this.steps.take(wanted);
    this.mayBeMore = taken.length === wanted;
    for (const job of taken) this.send(job);
    return false;
  }

  /** Those that will not leave from here. */
  private async putBack(reason: string): Promise<void> {
    const unsent = this.unsent.splice(0);
    if (unsent.length === 0) return;
    try {
      await this.queue.putBack(unsent, reason);
    } catch (error) {
      this.unsent.push(...unsent);
      throw error;
    }
  }

  private traced(job: QueuedJob): Promise<Unsent | undefined> {
    const { id, trace } = job;
    const attributes = { 'gateway.job_id': id };
    const options = { kind: SpanKind.CONSUMER, root: true, attributes, links: linksTo(trace) };
    return inSpan('submit', options, () => this.submitter.send(job));
  }

  private send(job: QueuedJob): void {
    const done = this.carryOut(job).finally(() => {
      this.inHand.delete(done);
      if (this.mayBeMore) this.loop.wake();
    });
    this.inHand.add(done);
  }

  private async carryOut(job: QueuedJob): Promise<void> {
    const { id } = job;
    try {
      const unsent = await withLogFields({ task: 'submit', jobId: id }, () => this.traced(job));
      if (unsent !== undefined) this.unsent.push(unsent);
    } catch (error) {
      // It is due again when its lease ends.
      this.logger.error({ msg: 'a submit failed and will be tried again', jobId: id, err: error });
    }
  }
}
