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
import { JobClaimsStore, type QueuedJob } from './job-claims.store.js';
import { JOBS_QUEUED } from './job.store.js';
import { Submitter } from './submitter.js';

/** How often it looks without having been told: for jobs that were put off. */
const LOOK_SECONDS = 1;
/** How long a process may have a job in hand, and not be heard of, until another takes it up. */
const LEASE_SECONDS = 30;
/** How long a database that may be silent is waited for at a stop. */
const GOODBYE_MILLISECONDS = 1000;
/** While so many are on their way to Reducto, others are got ready or written down. */
const IN_HAND_PER_PLACE = 3;

/**
 * Feeds the submitter with the queued jobs that are due, in processes with the role `worker`. The jobs
 * themselves are the queue, ordered by `next_check_at`: that is when they were accepted, or until when they
 * were put off.
 */
@Injectable()
export class SubmitFeed implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(SubmitFeed.name);
  private readonly inHand = new Map<string, Promise<void>>();
  private readonly loop = new WokenLoop(
    () => this.take(),
    (error) => this.logger.warn({ msg: 'queued jobs could not be taken up', err: error }),
  );
  private readonly most: number;
  private mayBeMore = false;

  constructor(
    private readonly settings: Settings,
    private readonly tasks: TaskQueue,
    private readonly duties: Duties,
    private readonly stopTime: StopTime,
    private readonly claims: JobClaimsStore,
    private readonly submitter: Submitter,
  ) {
    this.most = settings.SUBMIT_CONCURRENCY * IN_HAND_PER_PLACE;
  }

  onModuleInit(): void {
    if (!this.settings.has('worker')) return;
    const wake = (): void => this.loop.wake();
    this.tasks.subscribe(JOBS_QUEUED, wake, wake);
  }

  onApplicationBootstrap(): void {
    if (!this.settings.has('worker')) return;
    this.duties.every(LOOK_SECONDS, 'submit feed', () => Promise.resolve(this.loop.wake()));
  }

  /** Finishes what is on its way to Reducto; what has not left yet goes back at once, for other workers. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop(this.stopTime.leftMilliseconds);
    this.submitter.sendNoMore();
    const ids = [...this.inHand.keys()];
    if (ids.length === 0) return;
    await awaitAtMost(this.stopTime.leftMilliseconds, Promise.all(this.inHand.values()));
    const given = await awaitAtMost(GOODBYE_MILLISECONDS, this.claims.giveBackQueued(ids));
    if (given.outcome !== 'done') {
      this.logger.warn({ msg: 'queued jobs could not be given back; others take them up later' });
    }
  }

  private async take(): Promise<boolean> {
    const free = this.most - this.inHand.size;
    this.mayBeMore = true;
    // Several at a time, or none: whoever ends next asks again.
    if (free < this.settings.SUBMIT_CONCURRENCY) return false;
    const taken = await this.claims.takeQueued(free, LEASE_SECONDS);
    this.mayBeMore = taken.length === free;
    for (const queued of taken) if (!this.inHand.has(queued.job.id)) this.send(queued);
    return false;
  }

  private traced(queued: QueuedJob): Promise<void> {
    const { id, trace } = queued.job;
    const attributes = { 'gateway.job_id': id };
    const options = { kind: SpanKind.CONSUMER, root: true, attributes, links: linksTo(trace) };
    return inSpan('submit', options, () => this.submitter.send(queued));
  }

  private send(queued: QueuedJob): void {
    const { id } = queued.job;
    const done = withLogFields({ task: 'submit', jobId: id }, () => this.traced(queued))
      .catch((error: unknown) => {
        // It is due again when its lease ends.
        this.logger.error({
          msg: 'a submit failed and will be tried again',
          jobId: id,
          err: error,
        });
      })
      .finally(() => {
        this.inHand.delete(id);
        if (this.mayBeMore) this.loop.wake();
      });
    this.inHand.set(id, done);
  }
}
