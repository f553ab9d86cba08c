import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { withTimeout } from '../with-timeout.js';
import { ShutdownDeadline } from '../config/shutdown-deadline.js';

/**
 * Runs scheduled tasks whose interval is a setting, which the `@Interval` decorator cannot read. Runs of a task never
 * overlap. A shutdown waits for the current run, within the shutdown deadline.
 */
@Injectable()
export class IntervalScheduler implements BeforeApplicationShutdown {
  private readonly logger = new Logger(IntervalScheduler.name);
  private readonly running = new Map<string, Promise<void>>();

  constructor(
    private readonly shutdownDeadline: ShutdownDeadline,
    private readonly scheduler: SchedulerRegistry,
  ) {}

  /** Runs `pass` every `seconds`, also after a failure, which `onFailure` receives. */
  every(
    seconds: number,
    name: string,
    pass: () => Promise<unknown>,
    onFailure: () => void = () => undefined,
  ): void {
    const tick = async (): Promise<void> => {
      try {
        await pass();
      } catch (error) {
        onFailure();
        this.logger.warn({ msg: 'a scheduled task failed', task: name, err: error });
      } finally {
        this.running.delete(name);
      }
    };
    const timer = setInterval(() => {
      if (!this.running.has(name)) this.running.set(name, tick());
    }, seconds * 1000);
    this.scheduler.addInterval(name, timer);
  }

  async beforeApplicationShutdown(): Promise<void> {
    for (const name of this.scheduler.getIntervals()) this.scheduler.deleteInterval(name);
    await withTimeout(this.shutdownDeadline.leftMilliseconds, Promise.all(this.running.values()));
  }
}
