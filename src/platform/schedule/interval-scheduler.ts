import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { withTimeout } from '../with-timeout.js';
import { ShutdownDeadline } from '../config/shutdown-deadline.js';

/**
 * Periodic work whose interval is a setting, which the `@Interval` decorator could not read. A pass that
 * takes longer than its interval is not joined by a second one; a stop waits for the one that runs,
 * for as long as a stop may take.
 */
@Injectable()
export class IntervalScheduler implements BeforeApplicationShutdown {
  private readonly logger = new Logger(IntervalScheduler.name);
  private readonly running = new Map<string, Promise<void>>();

  constructor(
    private readonly shutdownDeadline: ShutdownDeadline,
    private readonly scheduler: SchedulerRegistry,
  ) {}

  /** Runs `pass` every `seconds`. `onFailure` hears of a pass that broke off; the next one comes all the same. */
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
        this.logger.warn({ msg: 'a periodic pass failed', duty: name, err: error });
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
