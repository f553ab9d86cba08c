import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Settings } from '../../platform/config/settings.js';
import { Batches } from '../../platform/batches.js';
import { Transactions } from '../../platform/database/transactions.js';
import { Notifications } from '../../platform/work/notifications.js';
import type { Job } from '../job.entity.js';
import { JOBS_QUEUED, POLLS_DUE } from '../persistence/job-transitions.store.js';
import { JobInputsStore, type InputPair } from './job-inputs.store.js';
import { JobSubmissionStore, type Deferral, type NewJob } from './job-submission.store.js';
import type { QueuedJob } from './submission-queue.store.js';

/** Sleepers are woken by the end of their inputs; the check that ends this time is only a safety net. */
const SLEEP_SECONDS = { min: 900, max: 1800 };
/** Another transaction is changing an input, and perhaps ends it. */
const RETRY_SECONDS = 0.1;

const BATCH_LIMITS = { size: 100, waiting: 10_000, concurrency: 1 };

/** A job, and the open jobs whose results it needs. */
export interface Dependent<Item> {
  readonly job: Item;
  readonly inputs: readonly string[];
}

/**
 * Puts jobs to sleep until their inputs have ended. The statement that ends the last open input, or ends one without
 * a result, makes them due.
 */
@Injectable()
export class DependentJobs {
  private readonly deferrals = new Batches<Dependent<QueuedJob>, boolean>(
    (dependents) => this.deferAll(dependents),
    BATCH_LIMITS,
  );

  constructor(
    private readonly settings: Settings,
    private readonly store: JobInputsStore,
    private readonly submission: JobSubmissionStore,
    private readonly notifications: Notifications,
    private readonly transactions: Transactions,
  ) {}

  /**
   * As `JobSubmissionStore.insertJobs`; the jobs are asleep unless an input may have ended. `transaction`: the manager of
   * one that is open.
   */
  async insertJobs(
    dependents: readonly Dependent<NewJob>[],
    transaction?: EntityManager,
    isAdmitted = false,
  ): Promise<Job[]> {
    const insert = async (manager: EntityManager): Promise<Job[]> => {
      const open = await this.lockInputs(manager, dependents);
      const asleep = new Map<string, Deferral>();
      for (const { job, inputs } of dependents) {
        const sleep = this.planSleep(inputs, open, 0);
        if (sleep !== undefined) asleep.set(job.id, sleep);
      }
      const jobs = dependents.map(({ job }) => job);
      const accepted = await this.submission.insertJobs(jobs, asleep, manager, isAdmitted);
      const ids = new Set(accepted.map(({ id }) => id));
      const sleepers = dependents.filter(({ job }) => ids.has(job.id) && asleep.has(job.id));
      await this.store.insertPairs(manager, sleepers.flatMap(pairsOf));
      return accepted;
    };
    const inserted = await (transaction === undefined
      ? this.transactions.run(insert)
      : insert(transaction));
    this.wakeSkipped();
    return inserted;
  }

  /** Puts a leased job to sleep. False if another transaction is changing it. */
  deferJob(job: QueuedJob, inputs: readonly string[]): Promise<boolean> {
    return this.deferrals.addItem({ job, inputs });
  }

  /** Wakes jobs whose inputs have ended without waking them. Returns how many. */
  async wakeMissed(): Promise<number> {
    const woken = await this.store.wakeMissed();
    if (woken > 0) this.notifications.send(JOBS_QUEUED);
    return woken;
  }

  /** Wakes more dependents of one job that has many. Returns the number of such jobs: 0 or 1. */
  async wakeMore(): Promise<number> {
    const woken = await this.store.wakeMore();
    if (woken === undefined) return 0;
    if (woken > 0) this.notifications.send(JOBS_QUEUED);
    return 1;
  }

  private async deferAll(dependents: readonly Dependent<QueuedJob>[]): Promise<boolean[]> {
    const { deferred, retried } = await this.transactions.run(async (manager) => {
      const open = await this.lockInputs(manager, dependents);
      const planned = dependents.map((dependent) => {
        const { job, inputs } = dependent;
        const sleep = this.planSleep(inputs, open, job.ageSeconds);
        const retry = { seconds: RETRY_SECONDS, reason: reasonOf(inputs) };
        return { dependent, sleeps: sleep !== undefined, ...job, ...(sleep ?? retry) };
      });
      const sleepers = planned.filter(({ sleeps }) => sleeps);
      const pairs = sleepers.flatMap(({ dependent }) => pairsOf(dependent));
      return {
        deferred: await this.store.deferJobs(manager, planned, pairs),
        retried: sleepers.length < planned.length,
      };
    });
    this.wakeSkipped();
    if (retried) {
      setTimeout(() => this.notifications.send(JOBS_QUEUED), RETRY_SECONDS * 1000).unref();
    }
    return dependents.map(({ job }) => deferred.has(job.id));
  }

  private lockInputs(
    manager: EntityManager,
    dependents: readonly Dependent<unknown>[],
  ): Promise<Set<string>> {
    return this.store.lockOpen(manager, [...new Set(dependents.flatMap(({ inputs }) => inputs))]);
  }

  /** `undefined` if an input may have ended. No job sleeps past its maximum age. */
  private planSleep(
    inputs: readonly string[],
    open: ReadonlySet<string>,
    ageSeconds: number,
  ): Deferral | undefined {
    if (!inputs.every((id) => open.has(id))) return undefined;
    const { min, max } = SLEEP_SECONDS;
    const left = Math.max(this.settings.JOB_MAX_AGE_SECONDS - ageSeconds, 0);
    const seconds = Math.min(min + Math.random() * (max - min), left);
    return { seconds, reason: reasonOf(inputs) };
  }

  /** Workers that asked for due jobs meanwhile have skipped the locked inputs. */
  private wakeSkipped(): void {
    this.notifications.send(POLLS_DUE);
    this.notifications.send(JOBS_QUEUED);
  }
}

function pairsOf({ job, inputs }: Dependent<{ readonly id: string }>): InputPair[] {
  return inputs.map((inputId) => ({ jobId: job.id, inputId }));
}

function reasonOf([input = 'of its input']: readonly string[]): string {
  return `Job ${input}, whose result the job needs, has not completed; the gateway submits the job once it has, and checks again`;
}
