import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Batches } from '../../platform/batches.js';
import { Settings } from '../../platform/config/settings.js';
import { isTransient } from '../../platform/database/database-errors.js';
import { DeliveryResultsStore, type AttemptRecord } from './delivery-results.store.js';
import { EndpointDisabler } from './endpoint-disabler.js';

const BATCH_LIMITS = { size: 200, waiting: 10_000, concurrency: 1, gatherMilliseconds: 5 };
/** How long an outcome is kept while the database is away; within the lease, nobody else sends the event. */
const RETRY_MILLISECONDS = 1000;
const MAX_RETRIES = 40;

/** Records attempts in batches. */
@Injectable()
export class DeliveryRecorder {
  private readonly logger = new Logger('Deliveries');
  private readonly process = `${hostname()}/${process.pid}`;
  private readonly batches = new Batches<AttemptRecord, true>(
    (records) => this.recordBatch(records),
    BATCH_LIMITS,
  );

  constructor(
    private readonly settings: Settings,
    private readonly results: DeliveryResultsStore,
    private readonly disabler: EndpointDisabler,
  ) {}

  /** Once this resolves, the attempt is durable, and the delivery has ended or is due again later. */
  async record(record: AttemptRecord): Promise<void> {
    for (let retry = 0; ; retry += 1) {
      try {
        await this.batches.addItem(record);
        return;
      } catch (error) {
        if (!isTransient(error) || retry >= MAX_RETRIES) throw error;
        await setTimeout(RETRY_MILLISECONDS);
      }
    }
  }

  private async recordBatch(records: readonly AttemptRecord[]): Promise<true[]> {
    const hours = this.settings.ENDPOINT_DISABLE_AFTER_HOURS;
    const failing = await this.results.record(records, this.process, hours);
    const gone = records.filter(({ outcome }) => outcome.kind === 'gone');
    for (const { endpointId } of gone) await this.disable(endpointId, 'gone');
    for (const { id, isOverdue } of failing) if (isOverdue) await this.disable(id, 'failing');
    return records.map(() => true);
  }

  /** What fails here is done after the next failed attempt. */
  private async disable(endpointId: string, reason: 'gone' | 'failing'): Promise<void> {
    await this.disabler.disable(endpointId, reason).catch((error: unknown) => {
      this.logger.error({ msg: 'an endpoint could not be disabled', endpointId, err: error });
    });
  }
}
