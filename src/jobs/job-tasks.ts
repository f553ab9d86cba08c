import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { TaskQueue } from '../tasks/task-queue.js';
import { Canceller } from './canceller.js';
import { Settler } from './settler.js';

/** Which task does what; only in processes with the role `worker`. */
@Injectable()
export class JobTasks implements OnModuleInit {
  constructor(
    private readonly settings: Settings,
    private readonly tasks: TaskQueue,
    private readonly settler: Settler,
    private readonly canceller: Canceller,
  ) {}

  onModuleInit(): void {
    if (!this.settings.has('worker')) return;
    const { SETTLE_CONCURRENCY } = this.settings;
    this.tasks.handle('settle', SETTLE_CONCURRENCY, (jobId) => this.settler.settle(jobId));
    this.tasks.handle('cancel', 2, (jobId) => this.canceller.cancel(jobId));
  }
}
