import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../../platform/database/sql.js';
import { Metrics } from '../../platform/metrics/metrics.js';

/** Metrics of the inbox; all workers report the same values. */
@Injectable()
export class RelayMetrics {
  constructor({ meter }: Metrics, @InjectEntityManager() database: EntityManager) {
    const count = meter.createObservableGauge('gateway_callback_inbox_size', {
      description: 'Stored callbacks that wait for the relay',
    });
    const oldest = meter.createObservableGauge('gateway_callback_inbox_oldest_age_seconds', {
      description: 'Age of the oldest callback that waits for the relay',
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
  name: 'callback-inbox-metrics',
  text: `
  SELECT count(*)::integer AS count,
         coalesce(extract(epoch FROM now() - min(received_at)), 0)::double precision AS "oldestSeconds"
    FROM callback_inbox`,
};
