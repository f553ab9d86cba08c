import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { isRecord } from '../../platform/json/is-record.js';
import { Settings } from '../../platform/config/settings.js';
import { isTransient } from '../../platform/database/database-errors.js';
import { DataCipher, DataKeyError } from '../../platform/crypto/data-cipher.js';
import { truncate } from '../../platform/text.js';
import { rowOf } from '../endpoints/endpoint-secret.js';
import { hasSvixHeaders } from '../endpoints/endpoint.entity.js';
import { withLogFields } from '../../platform/logging/log-context.js';
import type { Held, Lease, LeasedWork } from '../../platform/work/due-work.js';
import { Notifications } from '../../platform/work/notifications.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { WorkerLock } from '../../platform/work/worker-lock.js';
import { DELIVERIES_DUE } from '../events/fan-out.js';
import { EventSender, type Answered, type SendOutcome } from '../sending/event-sender.js';
import { SEND_ERRORS, sendErrorOf } from '../sending/send-error.js';
import { DeliveryLeaseStore, type DueDelivery } from './delivery-lease.store.js';
import { DeliveryRecorder } from './delivery-recorder.js';
import { DeliveryMetrics } from './delivery.metrics.js';
import { EventBody } from './event-body.js';
import { decide, RETRY_SCHEDULE } from './retry-policy.js';

/** Due work: sends events to endpoints. */
@Injectable()
export class DeliveryWork implements LeasedWork<DueDelivery>, OnModuleInit {
  readonly name = 'deliver';
  readonly topic = DELIVERIES_DUE;
  readonly table = 'deliveries';
  private readonly logger = new Logger('Deliveries');
  private waitsForRate = false;
  private wakesSoon = false;

  constructor(
    private readonly settings: Settings,
    private readonly leases: DeliveryLeaseStore,
    private readonly bodies: EventBody,
    private readonly cipher: DataCipher,
    private readonly sender: EventSender,
    private readonly recorder: DeliveryRecorder,
    private readonly metrics: DeliveryMetrics,
    private readonly engine: WorkEngine,
    private readonly lock: WorkerLock,
    private readonly notifications: Notifications,
  ) {}

  onModuleInit(): void {
    this.lock.onGone('deliveries', async (manager, { id }) => {
      const freed = await this.leases.freeWorker(manager, id);
      if (freed > 0) {
        this.logger.warn({
          msg: 'deliveries of a worker that is gone are free',
          worker: id,
          freed,
        });
      }
    });
    this.engine.addLeased(this);
  }

  freeSlots(running: number): number {
    return this.settings.DELIVERY_CONCURRENCY - running;
  }

  async lease(limit: number, lease: Lease): Promise<readonly DueDelivery[]> {
    const { deliveries, waitSeconds } = await this.leases.lease(limit, lease);
    if (waitSeconds !== null && !this.waitsForRate) {
      this.waitsForRate = true;
      setTimeout(() => {
        this.waitsForRate = false;
        this.wake();
      }, waitSeconds * 1000).unref();
    }
    return deliveries;
  }

  async perform(delivery: DueDelivery): Promise<void | 'release'> {
    const { eventId, endpointId } = delivery;
    const fields = { work: this.name, eventId, endpointId };
    const isRecorded = await withLogFields(fields, () => this.deliver(delivery));
    if (!isRecorded) return 'release';
    // Its endpoint may have been at its limit.
    this.wakeSoon();
    return undefined;
  }

  release(held: readonly Held<DueDelivery>[]): Promise<void> {
    return this.leases.release(held);
  }

  releaseLost(leases: readonly Lease[]): Promise<void> {
    return this.leases.releaseLost(leases);
  }

  /** Deliveries that were recorded together free their slots for one lease. */
  private wakeSoon(): void {
    if (this.wakesSoon) return;
    this.wakesSoon = true;
    setImmediate(() => {
      this.wakesSoon = false;
      this.wake();
    });
  }

  private wake(): void {
    this.notifications.deliver(DELIVERIES_DUE, ['']);
  }

  /** False if the shutdown of this process ended the attempt: the next one sends the event again. */
  private async deliver(delivery: DueDelivery): Promise<boolean> {
    const { eventId, endpointId, lease, attempts, failures, retrySchedule } = delivery;
    const at = new Date();
    const answer = await this.send(delivery, at);
    const isAnswer = 'status' in answer;
    if (!isAnswer && answer.error.code === 'shutdown') return false;
    const { durationMilliseconds: durationMs } = answer;
    const given = isAnswer ? answer : { status: null };
    const decided = decide(given, failures, retrySchedule ?? RETRY_SCHEDULE);
    // The URL of one job is gone, not those of the other jobs of this origin.
    const outcome =
      decided.kind === 'gone' && delivery.forJobs
        ? ({ kind: 'failed', pauseSeconds: 0 } as const)
        : decided;
    this.metrics.recordAttempt(outcome.kind, durationMs);
    const failure = isAnswer ? errorOf(answer) : `${answer.error.code}: ${answer.error.message}`;
    await this.recorder.record({
      eventId,
      endpointId,
      lease,
      outcome,
      attempt: attempts + 1,
      at,
      durationMs,
      status: given.status,
      errorCode: isAnswer ? null : answer.error.code,
      error: outcome.kind === 'delivered' ? null : failure,
      responseHeaders: isAnswer ? storable(JSON.stringify(answer.headers)) : null,
      responseBody: isAnswer ? storable(truncate(answer.body, MAX_BODY)) : null,
    });
    return true;
  }

  /** Throws only what a working database would prevent. */
  private async send(delivery: DueDelivery, timestamp: Date): Promise<SendOutcome> {
    const { eventId: id, endpointId, url, secret, previousSecret } = delivery;
    if (url === null) {
      const error = { code: 'url_deleted', message: SEND_ERRORS.url_deleted } as const;
      return { error, durationMilliseconds: 0 };
    }
    const row = rowOf(endpointId);
    try {
      const headers = delivery.headers === null ? '{}' : this.cipher.decrypt(delivery.headers, row);
      return await this.sender.send({
        url,
        id,
        timestamp,
        sendSvixHeaders: hasSvixHeaders(delivery),
        body: Buffer.from(await this.bodies.bodyFor(delivery)),
        headers: headersOf(headers),
        secrets: [this.cipher.decrypt(secret, row), ...this.previousOf(previousSecret, row)],
      });
    } catch (error) {
      if (isTransient(error)) throw error;
      this.logger.error({ msg: 'an event could not be sent', err: error });
      return { error: sendErrorOf(error), durationMilliseconds: 0 };
    }
  }

  /** None if `DATA_KEYS` lacks its key: the new secret of a rotation then signs alone. */
  private previousOf(previousSecret: string | null, row: string): string[] {
    if (previousSecret === null) return [];
    try {
      return [this.cipher.decrypt(previousSecret, row)];
    } catch (error) {
      if (!(error instanceof DataKeyError)) throw error;
      return [];
    }
  }
}

/** Of the stored beginning of an answer. */
const MAX_BODY = 2048;

function errorOf({ status }: Answered): string {
  return status >= 300 && status < 400
    ? `it answered ${status}; redirects are not followed`
    : `it answered ${status}`;
}

function headersOf(text: string): Record<string, string> {
  const parsed: unknown = JSON.parse(text);
  if (!isRecord(parsed)) return {};
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, String(value)]));
}

/** PostgreSQL stores no NUL. */
function storable(text: string): string {
  return text.replaceAll('\0', '\u{fffd}');
}
