import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { Metrics } from '../../platform/metrics/metrics.js';
import { CallbackInbox } from './callback-inbox.js';
import type { ReceivedCallback } from '../guards/received-callback.js';

/** Callbacks that were let in, as figures. Those that were refused are counted by `Refusals`. */
@Injectable()
export class CallbackMetrics {
  /** By what a callback was proved; `none` where the guard of the secret is off or only observes. */
  private readonly counts = { token: 0, svix: 0, none: 0 };

  constructor({ meter }: Metrics, inbox: CallbackInbox, settings: Settings) {
    meter
      .createObservableCounter('gateway_callbacks_accepted', {
        description:
          'Callbacks for jobs of ours that passed the guards and are stored, by what proved them',
      })
      .addCallback((result) => {
        for (const [proof, count] of Object.entries(this.counts)) result.observe(count, { proof });
      });
    meter
      .createObservableGauge('gateway_callbacks_waiting', {
        description: 'Callbacks that wait to be stored',
      })
      .addCallback((result) => result.observe(inbox.waiting));
    meter
      .createObservableGauge('gateway_callbacks_waiting_max', {
        description: 'How many callbacks may wait; further ones are answered 503',
      })
      .addCallback((result) => result.observe(settings.WEBHOOK_BACKLOG));
  }

  /** Call once the callback is stored. A genuine message that is for no job of ours is not counted here. */
  recordAccepted({ job, provedBy }: ReceivedCallback): void {
    if (job !== undefined) this.counts[provedBy ?? 'none'] += 1;
  }
}
