import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { OverdueJobs, type DueJob } from '../jobs/overdue-jobs.js';
import { Settings } from '../platform/config/settings.js';
import { isDatabaseAway } from '../platform/database/database-errors.js';
import { UpstreamPace } from '../reducto/upstream-pace.js';
import { ListingNarrowing, type Narrowed } from './listing-narrowing.js';
import { planSweep } from './sweep-plan.js';

/** What a pass did, in jobs; `listingCalls` in requests. */
export interface SweepCounts {
  readonly searches: number;
  readonly looks: number;
  /** Put off without a look, because the listing shows them as open. */
  readonly narrowed: number;
  readonly giveUps: number;
  readonly listingCalls: number;
}

const NOTHING: Narrowed = { open: [], looks: [], calls: 0 };
const RENEWAL_SECONDS = 10;

/** One bounded pass over the jobs that are due: claim, decide, and set going what each needs. */
@Injectable()
export class Sweep {
  private readonly logger = new Logger(Sweep.name);
  /** Claims of passes that broke off: until they are let go of, nobody takes their jobs up. */
  private readonly abandoned = new Set<string>();

  constructor(
    private readonly settings: Settings,
    private readonly overdue: OverdueJobs,
    private readonly pace: UpstreamPace,
    private readonly narrowing: ListingNarrowing,
  ) {}

  async run(): Promise<SweepCounts> {
    await this.letGo();
    const claim = randomUUID();
    const renewal = setInterval(
      () => void this.overdue.renew(claim).catch(() => undefined),
      RENEWAL_SECONDS * 1000,
    );
    try {
      return await this.pass(claim);
    } catch (error) {
      this.abandoned.add(claim);
      throw error;
    } finally {
      clearInterval(renewal);
    }
  }

  private async letGo(): Promise<void> {
    for (const claim of this.abandoned) {
      await this.overdue.letGo(claim);
      this.abandoned.delete(claim);
    }
  }

  private async pass(claim: string): Promise<SweepCounts> {
    const upstreamHeld = (await this.pace.heldSeconds()) > 0;
    const jobs = await this.overdue.claim(claim, upstreamHeld);
    const plan = planSweep(jobs, {
      upstreamHeld,
      listingFrom: this.narrowing.worthFrom(),
      maxAgeSeconds: this.settings.JOB_MAX_AGE_SECONDS,
    });
    await this.wake(claim, plan.looks);
    await this.overdue.giveUp(claim, ids(plan.giveUps));
    const narrowed = plan.narrow.length > 0 ? await this.narrow(plan.narrow) : NOTHING;
    if (narrowed.open.length > 0) await this.overdue.stillOpen(claim, narrowed.open);
    await this.wake(claim, narrowed.looks);
    await this.overdue.resolve(claim, ids(plan.searches));
    return {
      searches: plan.searches.length,
      looks: plan.looks.length + narrowed.looks.length,
      narrowed: narrowed.open.length,
      giveUps: plan.giveUps.length,
      listingCalls: narrowed.calls,
    };
  }

  /** Without a usable listing every job is polled. */
  private async narrow(jobs: readonly DueJob[]): Promise<Narrowed> {
    try {
      return await this.narrowing.narrow(jobs);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      this.logger.error({ msg: 'the listing of Reducto could not be used', err: error });
      return { ...NOTHING, looks: jobs };
    }
  }

  private async wake(claim: string, jobs: readonly DueJob[]): Promise<void> {
    if (jobs.length > 0) await this.overdue.wake(claim, ids(jobs));
  }
}

function ids(jobs: readonly DueJob[]): string[] {
  return jobs.map(({ id }) => id);
}
