import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Notifications } from '../../platform/work/notifications.js';
import { JOB_ENDED } from '../job-ends.js';
import type { Job } from '../job.entity.js';

/** What a job that completes still changes of what its service sees. */
export type CompletedJob = Pick<
  Job,
  'id' | 'settledBy' | 'progress' | 'submittedAt' | 'cancelRequestedAt' | 'endedAt' | 'missingFiles'
>;

/** Gets the job if this process has completed it. */
type Waiter = (completed?: CompletedJob) => void;

/** Wakes requests that wait for a job to end. A waiting request costs an entry in a map and no query. */
@Injectable()
export class JobCompletionNotifier implements OnModuleInit, BeforeApplicationShutdown {
  stopping = false;
  private readonly waiters = new Map<string, Set<Waiter>>();

  constructor(private readonly notifications: Notifications) {}

  onModuleInit(): void {
    this.notifications.subscribe(
      JOB_ENDED,
      (jobId) => this.wake(jobId),
      // The lost connection may have missed notifications, so all waiting requests read their job again.
      () => this.wakeAll(),
    );
  }

  /**
   * Waits until job `jobId` may have ended, `seconds` have passed, or `signal` aborts. Call it before reading the job, and
   * await it afterwards, so that no end in between is missed. Resolves to the job if this process has completed it.
   */
  waitForEnd(
    jobId: string,
    seconds: number,
    signal: AbortSignal,
  ): Promise<CompletedJob | undefined> {
    return new Promise((resolve) => {
      const done: Waiter = (completed) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        const others = this.waiters.get(jobId);
        others?.delete(done);
        if (others?.size === 0) this.waiters.delete(jobId);
        resolve(completed);
      };
      const abort = (): void => done();
      // A request during shutdown is answered slowly enough that its client does not retry in a tight loop.
      const timer = setTimeout(abort, (this.stopping ? Math.min(seconds, 1) : seconds) * 1000);
      const others = this.waiters.get(jobId) ?? new Set();
      this.waiters.set(jobId, others.add(done));
      signal.addEventListener('abort', abort);
    });
  }

  /** This process has completed `job`: the requests that wait for it need no query. */
  jobCompleted(job: CompletedJob): void {
    for (const done of this.waiters.get(job.id) ?? []) done(job);
  }

  /** A shutdown must not last as long as the longest wait. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
    this.wakeAll();
  }

  private wake(jobId: string): void {
    for (const done of this.waiters.get(jobId) ?? []) done();
  }

  private wakeAll(): void {
    for (const jobId of Array.from(this.waiters.keys())) this.wake(jobId);
  }
}
