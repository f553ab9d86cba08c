import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { IntervalScheduler } from '../../platform/schedule/interval-scheduler.js';
import { DependentJobs } from './dependent-jobs.js';

const INTERVAL_SECONDS = 60;

/** Safety net: wakes jobs whose inputs have ended without waking them, such as those that an operator changed. */
@Injectable()
export class MissedWakeUps implements OnApplicationBootstrap {
  private readonly logger = new Logger(MissedWakeUps.name);

  constructor(
    private readonly scheduler: IntervalScheduler,
    private readonly dependents: DependentJobs,
  ) {}

  onApplicationBootstrap(): void {
    this.scheduler.every(INTERVAL_SECONDS, 'missed wake-ups', async () => {
      const jobs = await this.dependents.wakeMissed();
      if (jobs > 0) this.logger.warn({ msg: 'jobs woken whose inputs had ended', jobs });
    });
  }
}
