import { EventEmitter } from 'node:events';
import { Job } from './job.js';

interface StoreEvents {
  created: [Job];
  changed: [Job];
}

/** All jobs, in the order of creation. Deleted and expired jobs are hidden, not removed. */
export class JobStore {
  readonly events = new EventEmitter<StoreEvents>();
  readonly #byId = new Map<string, Job>();
  #all: Job[] = [];
  readonly #submitsByBody = new Map<string, number>();

  constructor() {
    this.events.setMaxListeners(0);
  }

  get nextOrder(): number {
    return this.#all.length + 1;
  }

  add(job: Job): void {
    this.#all.push(job);
    this.#byId.set(job.id, job);
    this.events.emit('created', job);
  }

  find(id: string): Job | undefined {
    return this.#byId.get(id);
  }

  all(): readonly Job[] {
    return this.#all;
  }

  /** Notifies the listeners of a change of `job`. */
  changed(job: Job): void {
    this.events.emit('changed', job);
  }

  /** Counts a submit of this body and returns the total. */
  countSubmit(bodyHash: string): number {
    const submits = this.submitsOf(bodyHash) + 1;
    this.#submitsByBody.set(bodyHash, submits);
    return submits;
  }

  submitsOf(bodyHash: string): number {
    return this.#submitsByBody.get(bodyHash) ?? 0;
  }

  /** Resolves with the first job that satisfies `condition`, now or later. */
  waitFor(condition: (job: Job) => boolean): Promise<Job> {
    const found = this.#all.find(condition);
    if (found) return Promise.resolve(found);
    return new Promise((resolve) => {
      const check = (job: Job): void => {
        if (!condition(job)) return;
        this.events.off('created', check).off('changed', check);
        resolve(job);
      };
      this.events.on('created', check).on('changed', check);
    });
  }

  /** All jobs in `order`, starting after the job with creation number `after`. */
  inOrder(order: 'newestFirst' | 'oldestFirst' | 'byId', after?: number): Iterable<Job> {
    switch (order) {
      case 'newestFirst':
        return this.newestFirst(after);
      case 'oldestFirst':
        return this.#all.slice(after ?? 0);
      case 'byId':
      default: {
        const sorted = this.#all.toSorted((one, other) => (one.id < other.id ? -1 : 1));
        return sorted.slice(
          after === undefined ? 0 : sorted.findIndex((job) => job.order === after) + 1,
        );
      }
    }
  }

  /** Newest first, starting before the job with creation number `beforeOrder`. */
  *newestFirst(beforeOrder = Number.POSITIVE_INFINITY): Generator<Job> {
    for (let index = Math.min(this.#all.length, beforeOrder - 1) - 1; index >= 0; index--) {
      const job = this.#all[index];
      if (job) yield job;
    }
  }

  clear(): void {
    this.#all = [];
    this.#byId.clear();
    this.#submitsByBody.clear();
  }
}
