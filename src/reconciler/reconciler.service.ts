import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { IntervalScheduler } from '../platform/schedule/interval-scheduler.js';
import { ReconcilerMetrics } from './reconciler.metrics.js';
import { Sweep, type SweepCounts } from './sweep.js';

/** Sweeps due jobs on a schedule: those whose callbacks never arrived, and those that got stuck. */
@Injectable()
export class ReconcilerService implements OnApplicationBootstrap {
  private readonly logger = new Logger(ReconcilerService.name);

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: IntervalScheduler,
    private readonly sweepRunner: Sweep,
    private readonly metrics: ReconcilerMetrics,
  ) {}

  onApplicationBootstrap(): void {
    this.scheduler.every(
      this.settings.RECONCILE_INTERVAL_SECONDS,
      'reconciler',
      () => this.sweep(),
      () => this.metrics.recordFailure(),
    );
  }

  /** Runs one bounded sweep and returns its counts. */
  async sweep(): Promise<SweepCounts> {
    const begin = performance.now();
    const counts = await this.sweepRunner.runSweep();
    this.metrics.recordSweep(counts, (performance.now() - begin) / 1000);
    if (Object.values(counts).some((count) => count > 0)) {
      this.logger.debug({ msg: 'swept due jobs', ...counts });
    }
    return counts;
  }
}
