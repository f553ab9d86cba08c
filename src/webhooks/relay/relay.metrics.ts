import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { Metrics } from '../../platform/metrics/metrics.js';

/** What waits in the inbox, as figures; the same in all processes that work. */
@Injectable()
export class RelayMetrics {
  constructor({ meter }: Metrics, @InjectEntityManager() database: EntityManager) {
    const count = meter.createObservableGauge('gateway_callback_inbox_size', {
      description: 'Callbacks that are stored and that no worker has taken up',
    });
    const oldest = meter.createObservableGauge('gateway_callback_inbox_oldest_age_seconds', {
      description: 'For how long the oldest such callback has been there',
    });
    meter.addBatchObservableCallback(
      async (result) => {
        const [inbox] = await preparedRows<{ count: number; oldestSeconds: number }>(
          database,
          INBOX,
          [],
        );
        result.observe(count, inbox?.count ?? 0);
        result.observe(oldest, inbox?.oldestSeconds ?? 0);
      },
      [count, oldest],
    );
  }
}

const INBOX = {
  name: 'callback-inbox-figures',
  text: `
  SELECT count(*)::integer AS count,
         coalesce(extract(epoch FROM now() - min(received_at)), 0)::double precision AS "oldestSeconds"
    FROM callback_inbox`,
};
