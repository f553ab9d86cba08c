import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { ShutdownDeadline } from '../config/shutdown-deadline.js';
import { DatabaseMonitor } from '../database/database-monitor.js';
import { IntervalScheduler } from '../schedule/interval-scheduler.js';
import type { BatchWork, LeasedKind, LeasedWork } from './due-work.js';
import { LeasedWorker } from './leased-worker.js';
import { Notifications } from './notifications.js';
import { WorkLoop } from './work-loop.js';
import { WorkMetrics } from './work.metrics.js';
import { WorkerLock } from './worker-lock.js';

/** How often each kind looks for due rows without a notification. */
const POLL_SECONDS = 1;
const RENEWAL_SECONDS = 10;

interface Worker {
  wake(): void;
  stop(milliseconds: number): Promise<void>;
  renewLeases?(): Promise<void>;
}

/**
 * The one mechanism for due work. A kind of work is a query that leases due rows and a handler for each; the engine
 * wakes it, limits it, renews its leases, frees those of dead workers, and stops it.
 */
@Injectable()
export class WorkEngine implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Work');
  private readonly workers: Worker[] = [];
  /** Tables with leases, until the listeners that free them are known. */
  private tables: string[] | undefined = [];

  constructor(
    private readonly lock: WorkerLock,
    private readonly notifications: Notifications,
    private readonly scheduler: IntervalScheduler,
    private readonly shutdownDeadline: ShutdownDeadline,
    private readonly metrics: WorkMetrics,
    monitor: DatabaseMonitor,
  ) {
    monitor.onAvailable(() => this.wakeAll());
    lock.onHeld(() => this.wakeAll());
  }

  /** Call in `onModuleInit`. */
  addLeased<Item>(work: LeasedWork<Item>): LeasedKind<Item> {
    if (this.tables === undefined) this.checkFreed(work.table);
    else this.tables.push(work.table);
    const worker = new LeasedWorker(work, this.lock, this.metrics);
    this.add(work.topic, worker);
    return { wakeForMore: () => worker.wakeForMore(), grant: (max) => worker.grant(max) };
  }

  /** Call in `onModuleInit`. */
  addBatch(work: BatchWork): void {
    const loop = new WorkLoop(
      async () => {
        const begin = performance.now();
        const count = await work.perform();
        if (count > 0) {
          const seconds = (performance.now() - begin) / 1000;
          this.metrics.recordPerformed(work.name, 'done', seconds);
        }
        return count >= work.batchSize;
      },
      // What is left is due at the next pass.
      (error) => this.logger.warn({ msg: 'could not do due work', work: work.name, err: error }),
      work.yieldsWhenBusy,
    );
    this.add(work.topic, loop);
  }

  onApplicationBootstrap(): void {
    for (const table of this.tables ?? []) this.checkFreed(table);
    this.tables = undefined;
    if (this.workers.length === 0) return;
    this.scheduler.every(POLL_SECONDS, 'due work', () => Promise.resolve(this.wakeAll()));
    this.scheduler.every(RENEWAL_SECONDS, 'lease renewal', () =>
      Promise.all(this.workers.map(async (worker) => worker.renewLeases?.())),
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { leftMilliseconds } = this.shutdownDeadline;
    await Promise.all(this.workers.map((worker) => worker.stop(leftMilliseconds)));
  }

  private checkFreed(table: string): void {
    if (this.lock.freesLeases(table)) return;
    throw new Error(
      `Leases in ${table} would outlive their worker: register a listener with WorkerLock.onGone`,
    );
  }

  private add(topic: string, worker: Worker): void {
    this.workers.push(worker);
    const wake = (): void => worker.wake();
    this.notifications.subscribe(topic, wake, wake);
  }

  private wakeAll(): void {
    for (const worker of this.workers) worker.wake();
  }
}
