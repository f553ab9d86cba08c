import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Settings } from '../platform/config/settings.js';
import { ReconcilerFigures } from './reconciler-figures.js';
import { Sweep, type SweepCounts } from './sweep.js';

const TIMER = 'reconciler';

/** Takes up, again and again, the jobs whose callbacks have not come and whatever else got stuck. */
@Injectable()
export class ReconcilerService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ReconcilerService.name);
  private sweeping: Promise<unknown> | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly scheduler: SchedulerRegistry,
    private readonly pass: Sweep,
    private readonly figures: ReconcilerFigures,
  ) {}

  /** The interval is a setting, which the `@Interval` decorator could not read. */
  onApplicationBootstrap(): void {
    const timer = setInterval(
      () => void this.tick(),
      this.settings.RECONCILE_INTERVAL_SECONDS * 1000,
    );
    this.scheduler.addInterval(TIMER, timer);
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.scheduler.doesExist('interval', TIMER)) this.scheduler.deleteInterval(TIMER);
    await this.sweeping;
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

  /** A pass that takes longer than the interval is not joined by a second one. */
  private async tick(): Promise<void> {
    if (this.sweeping !== undefined) return;
    this.sweeping = this.sweep().catch((error: unknown) => {
      this.figures.failed();
      this.logger.warn({ msg: 'a pass of the reconciler failed', err: error });
    });
    await this.sweeping;
    this.sweeping = undefined;
  }
}
