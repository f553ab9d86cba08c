import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../platform/config/settings.js';
import { Duties } from '../platform/schedule/duties.js';
import { ReconcilerFigures } from './reconciler-figures.js';
import { Sweep, type SweepCounts } from './sweep.js';

/** Takes up, again and again, the jobs whose callbacks have not come and whatever else got stuck. */
@Injectable()
export class ReconcilerService implements OnApplicationBootstrap {
  private readonly logger = new Logger(ReconcilerService.name);

  constructor(
    private readonly settings: Settings,
    private readonly duties: Duties,
    private readonly pass: Sweep,
    private readonly figures: ReconcilerFigures,
  ) {}

  onApplicationBootstrap(): void {
    this.duties.every(
      this.settings.RECONCILE_INTERVAL_SECONDS,
      'reconciler',
      () => this.sweep(),
      () => this.figures.failed(),
    );
  }

  /** One bounded pass: sets going what every due job needs and returns how much that was. */
  async sweep(): Promise<SweepCounts> {
    const begin = performance.now();
    const counts = await this.pass.run();
    this.figures.passed(counts, (performance.now() - begin) / 1000);
    if (Object.values(counts).some((count) => count > 0)) {
      this.logger.debug({ msg: 'overdue jobs', ...counts });
    }
    return counts;
  }
}
