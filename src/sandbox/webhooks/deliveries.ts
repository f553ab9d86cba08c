import { EventEmitter } from 'node:events';

export interface Delivery {
  jobId: string;
  mode: 'direct' | 'svix';
  /** Equal for all attempts of one message. In Svix mode, the `svix-id`. */
  messageId: string;
  /** From 1; 0: the message was not sent, and `error` gives the reason. */
  attempt: number;
  url: string;
  headers: Record<string, string>;
  body: string;
  /** Virtual time. */
  sentAt: number;
  /** Real time. */
  durationMs: number;
  /** The HTTP status; null without a response. */
  status: number | null;
  error: string | null;
}

export class DeliveryLog {
  readonly events = new EventEmitter<{ recorded: [Delivery] }>();
  #all: Delivery[] = [];

  constructor() {
    this.events.setMaxListeners(0);
  }

  record(delivery: Delivery): void {
    this.#all.push(delivery);
    this.events.emit('recorded', delivery);
  }

  all(): readonly Delivery[] {
    return this.#all;
  }

  ofJob(jobId: string): Delivery[] {
    return this.#all.filter((delivery) => delivery.jobId === jobId);
  }

  /** Resolves with the first delivery that satisfies `condition`, now or later. */
  waitFor(condition: (delivery: Delivery) => boolean): Promise<Delivery> {
    const found = this.#all.find(condition);
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => {
      const check = (delivery: Delivery): void => {
        if (!condition(delivery)) return;
        this.events.off('recorded', check);
        resolve(delivery);
      };
      this.events.on('recorded', check);
    });
  }

  clear(): void {
    this.#all = [];
  }
}
