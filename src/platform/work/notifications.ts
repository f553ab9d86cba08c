import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import { EntityManager } from 'typeorm';
import { preparedRows } from '../database/sql.js';
import { DatabaseSession, type Query, type SessionUser } from './database-session.js';

/** The one channel, because a process has one session. A message is a topic, payloads, and a sender. */
const CHANNEL = 'reducto_gateway';
const NOTIFY = { name: 'notify', text: `SELECT pg_notify('${CHANNEL}', $1)` };

/**
 * SQL of one row that sends the payloads of the query `payloads` at the commit; up to 200 of 36 characters. Nothing without
 * a payload. The process with the id in the parameter `sender` does not hear it: it must call `deliver`.
 */
export const NOTIFY_ALL = (topic: string, payloads: string, sender: string): string => `
  SELECT pg_notify('${CHANNEL}', '${topic} ' || string_agg(payload, ',') || ' ' || ${sender}::text)
    FROM (${payloads}) AS all_payloads (payload)`;

/** Throttle: under load the workers are awake already. */
const MIN_INTERVAL_MILLISECONDS = 50;

interface Subscription {
  readonly topic: string;
  readonly onMessage: (payload: string) => void;
  readonly onGap: () => void;
}

/** Messages to all processes, this one included. Nothing depends on them: a subscriber also polls. */
@Injectable()
export class Notifications implements SessionUser {
  private readonly subscriptions: Subscription[] = [];
  private readonly sentAt = new Map<string, number>();
  private readonly pending = new Set<string>();
  /** Of this process, as a sender. */
  readonly id = randomUUID();

  constructor(
    private readonly session: DatabaseSession,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {}

  /**
   * Call in `onModuleInit`. `onMessage` hears the payloads of `topic`; `onGap` is called whenever messages may have
   * been missed, also once at the beginning.
   */
  subscribe(topic: string, onMessage: (payload: string) => void, onGap: () => void): void {
    if (this.subscriptions.length === 0) this.session.use(this);
    this.subscriptions.push({ topic, onMessage, onGap });
  }

  /**
   * Wakes the subscribers of `topic`. Call it after the commit: within a transaction NOTIFY serializes commits.
   */
  send(topic: string): void {
    this.call(topic, '');
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

  /** Sends `payload` at the commit of the transaction of `manager`. */
  async sendAtCommit(manager: EntityManager, topic: string, payload: string): Promise<void> {
    await preparedRows(manager, NOTIFY, [`${topic} ${payload}`]);
  }

  /** Tells the subscribers of this process at once what the others hear by the database. */
  deliver(topic: string, payloads: Iterable<string>): void {
    for (const payload of payloads) this.call(topic, payload);
  }

  async opened(query: Query): Promise<void> {
    await query(`LISTEN ${CHANNEL}`);
    for (const { onGap } of this.subscriptions) onGap();
  }

  notified(message: string): void {
    const [topic = '', payloads = '', sender] = message.split(' ');
    // `send` and `deliver` have called these subscribers already.
    if (sender === this.id) return;
    for (const payload of payloads.split(',')) this.call(topic, payload);
  }

  private call(topic: string, payload: string): void {
    for (const subscription of this.subscriptions) {
      if (subscription.topic === topic) subscription.onMessage(payload);
    }
  }

  private notify(topic: string): void {
    this.sentAt.set(topic, performance.now());
    preparedRows(this.database, NOTIFY, [`${topic}  ${this.id}`]).catch(() => undefined);
  }
}
