import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../platform/database/sql.js';

/** What relays listen to. */
export const CALLBACKS_CHANNEL = 'callbacks';

/** While callbacks pour in, the relays are at work anyway. */
const MOST_OFTEN_MILLISECONDS = 10;

/**
 * Tells the relays that there are callbacks. Nothing waits for it and nothing depends on it: a relay also
 * looks by itself, only later. Apart from the commit of the callbacks, because a transaction that notifies
 * locks out every other one of the database that does, until it is on disk.
 */
@Injectable()
export class RelayWakeup {
  private sentAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;

  constructor(@InjectEntityManager() private readonly database: EntityManager) {}

  send(): void {
    if (this.timer !== undefined) return;
    const wait = this.sentAt + MOST_OFTEN_MILLISECONDS - performance.now();
    if (wait <= 0) return this.notify();
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.notify();
    }, wait);
    this.timer.unref();
  }

  private notify(): void {
    this.sentAt = performance.now();
    preparedRows(this.database, NOTIFY, [CALLBACKS_CHANNEL]).catch(() => undefined);
  }
}

const NOTIFY = { name: 'callbacks-notify', text: `SELECT pg_notify($1, '')` };
