import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { TaskQueue } from '../../tasks/task-queue.js';
import { UpstreamCanceller } from '../cancellation/upstream-canceller.js';
import { JobPoller } from './job-poller.js';

/** Registers the handler of each task queue. */
@Injectable()
export class JobTaskHandlers implements OnModuleInit {
  constructor(
    private readonly settings: Settings,
    private readonly tasks: TaskQueue,
    private readonly jobPoller: JobPoller,
    private readonly upstreamCanceller: UpstreamCanceller,
  ) {}

  onModuleInit(): void {
    const { POLL_CONCURRENCY } = this.settings;
    this.tasks.handle('poll', POLL_CONCURRENCY, (jobId) => this.jobPoller.pollJob(jobId));
    this.tasks.handle('cancel', 2, (jobId) => this.upstreamCanceller.cancelJob(jobId));
  }
}
