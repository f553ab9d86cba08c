import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Notifications } from '../../platform/work/notifications.js';
import type { EventPage } from './events.store.js';
import { EVENTS_STORED } from './fan-out.store.js';

/** Payload for all services. */
const ALL = '*';

/** Wakes requests that wait for the next event of their service. A waiting request costs an entry in a map and no query. */
@Injectable()
export class FeedRequests implements OnModuleInit, BeforeApplicationShutdown {
  private stopping = false;
  private readonly waiters = new Map<string, Set<() => void>>();

  constructor(private readonly notifications: Notifications) {}

  onModuleInit(): void {
    this.notifications.subscribe(
      EVENTS_STORED,
      (service) => (service === ALL ? this.wakeAll() : this.wake(service)),
      // The lost connection may have missed notifications, so all waiting requests read again.
      () => this.wakeAll(),
    );
  }

  /**
   * Reads pages until one has an event, `seconds` have passed, or `signal` aborts. Without `hasMore` it waits before the next
   * one. A wake-up can be spurious.
   */
  async readUntilEvent(
    service: string,
    seconds: number,
    signal: AbortSignal,
    read: () => Promise<EventPage>,
  ): Promise<EventPage> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const left = Math.max(end - performance.now(), 0) / 1000;
      if (left === 0 || this.stopping) return read();
      const done = new AbortController();
      // It waits before it reads, so that no event in between is missed.
      const woken = this.wait(service, left, AbortSignal.any([signal, done.signal]));
      try {
        const page = await read();
        if (page.events.length > 0 || signal.aborted) return page;
        if (!page.hasMore) await woken;
      } finally {
        done.abort();
      }
    }
  }

  /** A shutdown must not last as long as the longest wait. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
    this.wakeAll();
  }

  private wait(service: string, seconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        const others = this.waiters.get(service);
        others?.delete(done);
        if (others?.size === 0) this.waiters.delete(service);
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      const others = this.waiters.get(service) ?? new Set();
      this.waiters.set(service, others.add(done));
      signal.addEventListener('abort', done);
    });
  }

  private wake(service: string): void {
    for (const done of this.waiters.get(service) ?? []) done();
  }

  private wakeAll(): void {
    for (const service of Array.from(this.waiters.keys())) this.wake(service);
  }
}
