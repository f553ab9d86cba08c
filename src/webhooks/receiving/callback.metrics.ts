import { Injectable } from '@nestjs/common';
import { CallbackJobsService } from '../../jobs/callback-jobs.service.js';
import { Settings } from '../../platform/config/settings.js';
import { Metrics } from '../../platform/metrics/metrics.js';
import { CallbackInbox } from './callback-inbox.js';

/** Metrics of accepted callbacks. `RefusalRecorder` counts the refused ones. */
@Injectable()
export class CallbackMetrics {
  /** By proof; `none` if `GUARD_SECRET` is not `enforce`. */
  private readonly counts = { token: 0, svix: 0, none: 0 };

  constructor(
    { meter }: Metrics,
    settings: Settings,
    callbackJobs: CallbackJobsService,
    inbox: CallbackInbox,
  ) {
    meter
      .createObservableCounter('gateway_callbacks_accepted', {
        description: 'Callbacks that passed the guards and are stored, by proof',
      })
      .addCallback((result) => {
        for (const [proof, count] of Object.entries(this.counts)) result.observe(count, { proof });
      });
    meter
      .createObservableGauge('gateway_callbacks_waiting', {
        description: 'Callbacks that wait for the database',
      })
      .addCallback((result) => result.observe(callbackJobs.waiting + inbox.waiting));
    meter
      .createObservableGauge('gateway_callbacks_waiting_max', {
        description:
          'Maximum number of waiting callbacks; the gateway answers further ones with 503',
      })
      .addCallback((result) => result.observe(settings.WEBHOOK_BACKLOG));
  }

  countAccepted(provedBy: 'token' | 'svix' | undefined): void {
    this.counts[provedBy ?? 'none'] += 1;
  }
}
