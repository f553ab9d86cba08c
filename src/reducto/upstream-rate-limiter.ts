import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { Settings } from '../platform/config/settings.js';
import { Notifications } from '../platform/work/notifications.js';
import { RequestLimiter } from './request-limiter.js';
import { UpstreamRateStore } from './rate-limit/upstream-rate.store.js';
import { UpstreamMetrics, type LimitedCall } from './upstream.metrics.js';

/** The rate limiters of this upstream, one for each kind of request that Reducto limits by itself. */
@Injectable()
export class UpstreamRateLimiter {
  readonly polls: RequestLimiter;
  readonly submits: RequestLimiter;

  constructor(
    settings: Settings,
    metrics: UpstreamMetrics,
    private readonly notifications: Notifications,
    @InjectEntityManager() database: EntityManager,
  ) {
    const { REDUCTO_BASE_URL, REDUCTO_POLLS_PER_SECOND, REDUCTO_SUBMITS_PER_SECOND } = settings;
    const limiter = (call: LimitedCall, key: string, perSecond: number): RequestLimiter =>
      new RequestLimiter(
        call,
        new UpstreamRateStore(database, key, perSecond),
        metrics,
        perSecond,
        () => notifications.send(topicOf(call)),
      );
    const { origin } = REDUCTO_BASE_URL;
    this.polls = limiter('poll', origin, REDUCTO_POLLS_PER_SECOND);
    // No path begins with a space.
    this.submits = limiter('submit', `${origin} submit`, REDUCTO_SUBMITS_PER_SECOND);
  }

  /** Call in `onModuleInit`: `wake` hears when requests may begin again, also because another process learned so. */
  onPermits(call: LimitedCall, wake: () => void): void {
    const limiter = call === 'poll' ? this.polls : this.submits;
    limiter.onPermits(wake);
    const changed = (): void => limiter.stateChanged();
    this.notifications.subscribe(topicOf(call), changed, changed);
  }
}

const topicOf = (call: LimitedCall): string => `${call}_rate_changed`;
