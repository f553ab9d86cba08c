import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../platform/database/sql.js';
import { CHANNEL, NOTIFY } from './channel.js';

/** Throttle: under load the workers are awake already. */
const MIN_INTERVAL_MILLISECONDS = 10;

/**
 * Notifies workers of new rows. Nothing depends on it: workers also poll. It is sent outside of the transaction,
 * because NOTIFY serializes commits.
 */
@Injectable()
export class Wakeups {
  private readonly sentAt = new Map<string, number>();
  private readonly pending = new Set<string>();

  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  /** Call it after the commit. Those who listen are the subscribers of `topic`. */
  send(topic: string): void {
    if (this.pending.has(topic)) return;
    const last = this.sentAt.get(topic) ?? -Infinity;
    const wait = last + MIN_INTERVAL_MILLISECONDS - performance.now();
    if (wait <= 0) return this.notify(topic);
    this.pending.add(topic);
    setTimeout(() => {
      this.pending.delete(topic);
      this.notify(topic);
    }, wait).unref();
  }

  private notify(topic: string): void {
    this.sentAt.set(topic, performance.now());
    preparedRows(this.database, NOTIFY, [CHANNEL, topic]).catch(() => undefined);
  }
}
