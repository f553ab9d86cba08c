import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Batches } from '../../platform/batches.js';
import { Transactions } from '../../platform/database/transactions.js';
import { Notifications } from '../../platform/work/notifications.js';
import { Job } from '../job.entity.js';
import { JobCallsStore } from '../calls/job-calls.store.js';
import { planCalls, type Call } from '../calls/call-plan.js';
import { ServiceLimitsStore } from '../services/service-limits.store.js';
import { DependentJobs, type Dependent } from './dependent-jobs.js';
import { JobSubmissionStore, type NewJob } from './job-submission.store.js';
import { JOBS_QUEUED } from '../persistence/job-transitions.store.js';

const BATCH_LIMITS = { size: 100, waiting: 2000, concurrency: 2 };
/** Larger requests are not batched. */
const LARGE_BYTES = 100_000;

/**
 * The job; `repeated` if the service used the idempotency key before; `queue_full` if the service has as many queued
 * jobs as it may.
 */
export type Acceptance = Job | 'repeated' | 'queue_full';

/** Inserts jobs, `isAdmitted` also those of services that limit their queued jobs. */
type Insert<Item> = (
  items: readonly Item[],
  transaction?: EntityManager,
  isAdmitted?: boolean,
) => Promise<readonly Job[]>;

/** Jobs that are inserted in the same way. */
interface Group {
  readonly items: readonly Dependent<NewJob>[];
  readonly insert: Insert<Dependent<NewJob>>;
}

/** A call, and the new job that it asks for; null: it only joins a known one. */
interface CalledJob {
  readonly call: Call;
  readonly made: Dependent<NewJob> | null;
}

/** Id of the job that a call joins. */
export interface Joined {
  readonly joined: string;
}

/** Inserts accepted jobs in batches: concurrent requests share a statement and a commit. */
@Injectable()
export class JobAcceptance {
  private readonly batches = new Batches<Dependent<NewJob>, Acceptance>(
    (jobs) => this.acceptBatch(jobs, this.insertJobs),
    BATCH_LIMITS,
  );
  /** Separate, because they take a transaction. */
  private readonly dependents = new Batches<Dependent<NewJob>, Acceptance>(
    (jobs) => this.acceptBatch(jobs, this.insertDependents),
    BATCH_LIMITS,
  );
  private readonly calls = new Batches<CalledJob, Acceptance | Joined | null>(
    (jobs) => this.acceptCalls(jobs),
    BATCH_LIMITS,
  );

  constructor(
    private readonly submission: JobSubmissionStore,
    private readonly dependentJobs: DependentJobs,
    private readonly callStore: JobCallsStore,
    private readonly limits: ServiceLimitsStore,
    private readonly transactions: Transactions,
    private readonly notifications: Notifications,
  ) {}

  /**
   * Once this resolves the job is durable. `bytes`: size of the request; `inputs`: open jobs whose results it needs.
   * Throws `unavailable` if the queue of inserts is full.
   */
  async acceptJob(job: NewJob, bytes: number, inputs: readonly string[]): Promise<Acceptance> {
    // A large one would hold the locks of its inputs for long: a worker puts it to sleep.
    if (bytes > LARGE_BYTES) {
      const [accepted = 'repeated'] = await this.acceptBatch([{ job, inputs }], this.insertJobs);
      return accepted;
    }
    const batches = inputs.length > 0 ? this.dependents : this.batches;
    return batches.addItem({ job, inputs });
  }

  /** As `acceptJob`, unless the call repeats one that has a job: then it joins that job. */
  async acceptCall(
    job: NewJob,
    bytes: number,
    inputs: readonly string[],
    call: Call,
  ): Promise<Acceptance | Joined> {
    const accepted =
      bytes <= LARGE_BYTES
        ? await this.calls.addItem({ call, made: { job, inputs } })
        : (await this.acceptCalls([{ call, made: { job, inputs: [] } }]))[0];
    return accepted ?? 'repeated';
  }

  /** Joins the job of the call that this one repeats; null if there is none. */
  async joinCall(call: Call): Promise<Joined | null> {
    const known = await this.calls.addItem({ call, made: null });
    return known !== null && typeof known === 'object' && 'joined' in known ? known : null;
  }

  /** The locks of the calls are held until the jobs are committed, so that no repeat misses its first request. */
  private async acceptCalls(items: readonly CalledJob[]): Promise<(Acceptance | Joined | null)[]> {
    const outcomes = await this.transactions.run(async (manager) => {
      const known = await this.callStore.lockCalls(
        manager,
        items.map(({ call }) => call.hash),
      );
      const plan = planCalls(
        items.map(({ call, made }) => ({ ...call, newJobId: made?.job.id ?? null })),
        known,
      );
      const fresh = items.flatMap(({ made }, n) =>
        made !== null && plan[n]?.isJoined === false ? [made] : [],
      );
      const accepted = await this.insertFresh(fresh, manager);
      const isRefused = (jobId: string): boolean => typeof accepted.get(jobId) === 'string';
      const stored = plan.flatMap((planned) =>
        planned === null || isRefused(planned.jobId) ? [] : [planned.stored],
      );
      // The last one of a job has all its requests.
      const byJob = new Map(stored.map((call) => [call.jobId, call]));
      if (byJob.size > 0) await this.callStore.storeCalls(manager, [...byJob.values()]);
      return plan.map((planned) => {
        if (planned === null) return null;
        const { jobId, isJoined } = planned;
        const outcome = accepted.get(jobId);
        if (typeof outcome === 'string' || (!isJoined && outcome !== undefined)) return outcome;
        return { joined: jobId };
      });
    });
    this.notifications.send(JOBS_QUEUED);
    return outcomes;
  }

  private insertFresh(
    items: readonly Dependent<NewJob>[],
    manager: EntityManager,
  ): Promise<Map<string, Acceptance>> {
    const others = items.filter(({ inputs }) => inputs.length === 0);
    const dependents = items.filter(({ inputs }) => inputs.length > 0);
    const groups = [
      { items: others, insert: this.insertJobs },
      { items: dependents, insert: this.insertDependents },
    ];
    return this.insertAll(
      groups.filter((group) => group.items.length > 0),
      manager,
    );
  }

  private async acceptBatch(
    items: readonly Dependent<NewJob>[],
    insert: Insert<Dependent<NewJob>>,
  ): Promise<Acceptance[]> {
    const accepted = await this.insertAll([{ items, insert }]);
    this.notifications.send(JOBS_QUEUED);
    return items.map(({ job }) => accepted.get(job.id) ?? 'repeated');
  }

  private async insertAll(
    groups: readonly Group[],
    transaction?: EntityManager,
  ): Promise<Map<string, Acceptance>> {
    const accepted = new Map<string, Acceptance>();
    const left: Group[] = [];
    for (const { items, insert } of groups) {
      for (const job of await insert(items, transaction)) accepted.set(job.id, job);
      const others = items.filter(({ job }) => !accepted.has(job.id));
      if (others.length > 0) left.push({ items: others, insert });
    }
    if (left.length === 0) return accepted;
    const insertLeft = (manager: EntityManager): Promise<void> =>
      this.insertWithinLimits(left, accepted, manager);
    await (transaction === undefined ? this.transactions.run(insertLeft) : insertLeft(transaction));
    return accepted;
  }

  /**
   * Inserts jobs of services that limit their queued jobs, while it holds the locks of their limits. All locks are acquired by
   * one statement, in the order that every transaction uses.
   */
  private async insertWithinLimits(
    groups: readonly Group[],
    accepted: Map<string, Acceptance>,
    manager: EntityManager,
  ): Promise<void> {
    const services = new Set(groups.flatMap(({ items }) => items.map(({ job }) => job.service)));
    const room = await this.limits.lockRoom(manager, [...services]);
    for (const { items, insert } of groups) {
      const admitted = items.filter(({ job: { id, service } }) => {
        const left = room.get(service);
        if (left === undefined) return true;
        room.set(service, left - 1);
        if (left <= 0) accepted.set(id, 'queue_full');
        return left > 0;
      });
      if (admitted.length === 0) continue;
      for (const job of await insert(admitted, manager, true)) accepted.set(job.id, job);
    }
  }

  private readonly insertJobs: Insert<Dependent<NewJob>> = (items, transaction, isAdmitted) => {
    const jobs = items.map(({ job }) => job);
    return this.submission.insertJobs(jobs, undefined, transaction, isAdmitted);
  };

  private readonly insertDependents: Insert<Dependent<NewJob>> = (items, transaction, isAdmitted) =>
    this.dependentJobs.insertJobs(items, transaction, isAdmitted);
}
