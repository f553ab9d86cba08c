import {
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { SpanKind } from '@opentelemetry/api';
import { PgBoss, type Db, type Job, type JobResult } from 'pg-boss';
import type { EntityManager } from 'typeorm';
import { Settings } from '../platform/config/settings.js';
import { ShutdownDeadline } from '../platform/config/shutdown-deadline.js';
import { withLogFields } from '../platform/logging/log-context.js';
import { preparedRows } from '../platform/database/sql.js';
import { PoolMetrics } from '../platform/metrics/pool.metrics.js';
import { currentTraceparent, inSpan, linksTo } from '../platform/tracing/spans.js';
import { CHANNEL } from './channel.js';
import { queueConnections } from './queue-connections.js';
import { withTimeout } from '../platform/with-timeout.js';
import { DroppedConnectionError } from '../platform/database/database-connections.js';
import { markDatabaseError } from '../platform/database/database-errors.js';
import { DatabaseMonitor } from '../platform/database/database-monitor.js';
import { TaskMetrics } from './task.metrics.js';
import { TASK_QUEUES, type TaskQueueName } from './task-queues.js';

/** A task wakes a worker for one job. The worker reads the work from the job. */
export interface Task {
  readonly jobId: string;
  /** What led to the task, as a W3C `traceparent`; only if tracing is on. */
  readonly trace?: string;
}

type Handler = (jobId: string, signal: AbortSignal) => Promise<void>;

/**
 * Tasks that a worker takes at a time. With 1, pg-boss fetches once per wake-up or poll, and a
 * backlog drains at one task per worker and poll; from 2 on it goes on for as long as there is more.
 */
const BATCH_SIZE = 2;

/** Minimum timeout for closing connections at shutdown. */
const SHUTDOWN_TIMEOUT_MILLISECONDS = 2000;

interface Subscription {
  readonly topic: string;
  readonly onMessage: (payload: string) => void;
  readonly onGap: () => void;
}

/**
 * Task queue on PostgreSQL, through pg-boss. Tasks are queued transactionally, wake workers through NOTIFY, and return
 * when a worker dies. At most one task per queue and job waits at a time.
 */
@Injectable()
export class TaskQueue
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly logger = new Logger(TaskQueue.name);
  private readonly boss: PgBoss;
  private readonly handlers: { queue: TaskQueueName; concurrency: number; handler: Handler }[] = [];
  private readonly subscriptions: Subscription[] = [];
  private listening: { close(): Promise<void> } | undefined;
  /** When a stop that is under way waits no longer, by `performance.now()`. */
  private stopAt = 0;

  constructor(
    settings: Settings,
    private readonly shutdownDeadline: ShutdownDeadline,
    private readonly metrics: TaskMetrics,
    pools: PoolMetrics,
    monitor: DatabaseMonitor,
  ) {
    const worker = settings.has('worker');
    this.boss = new PgBoss({
      ...queueConnections(settings, worker ? 6 : 2),
      migrate: false,
      schedule: false,
      supervise: worker,
      superviseIntervalSeconds: 10,
      monitorIntervalSeconds: 10,
      useListenNotify: worker,
      registerInstance: false,
      reindex: false,
    });
    monitor.onAvailable(() => void this.listenAgain());
    pools.watch('tasks', () => this.boss.getDb().poolCounts?.() ?? undefined);
    this.boss.on('error', (error: unknown) => {
      if (error instanceof DroppedConnectionError) return;
      this.logger.warn({ msg: 'the task queue reports an error', err: asError(error) });
    });
    this.boss.on('warning', (warning) => this.logger.warn({ msg: warning.message }));
  }

  async onModuleInit(): Promise<void> {
    await this.boss.start();
  }

  /** Features have registered by now, in their own `onModuleInit`. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.subscriptions.length > 0) this.listening = await this.listen();
    for (const { queue, concurrency, handler } of this.handlers) {
      await this.boss.work<Task>(
        queue,
        {
          localConcurrency: Math.ceil(concurrency / BATCH_SIZE),
          batchSize: BATCH_SIZE,
          burstWhenBatchFull: true,
          pollingIntervalSeconds: 2,
          notifyPollingIntervalSeconds: 2,
          perJobResults: true,
        },
        (tasks) => Promise.all(tasks.map((task) => this.perform(queue, task, handler))),
      );
    }
  }

  /**
   * Queues a task for each of `jobIds` in the transaction of `manager`. `origins`: trace context by job id, instead of
   * the caller’s.
   */
  async add(
    manager: EntityManager,
    queue: TaskQueueName,
    jobIds: readonly string[],
    origins?: ReadonlyMap<string, string>,
  ): Promise<void> {
    if (jobIds.length === 0) return;
    const own = origins === undefined ? currentTraceparent() : undefined;
    const db: Db = {
      executeSql: async (text, values) => ({
        rows: await preparedRows(manager, { name: nameOf(text), text }, values ?? []),
      }),
    };
    await this.boss.insert(
      queue,
      jobIds.map((jobId) => {
        const trace = own ?? origins?.get(jobId);
        return { data: { jobId, ...(trace === undefined ? {} : { trace }) }, singletonKey: jobId };
      }),
      { db, returnId: false },
    );
  }

  /** Call in `onModuleInit`. A handler that throws gets its task again, after a while. */
  handle(queue: TaskQueueName, concurrency: number, handler: Handler): void {
    this.handlers.push({ queue, concurrency, handler });
  }

  /**
   * Call in `onModuleInit`. `onMessage` hears the payloads of what is sent with the topic;
   * `onGap` is called whenever messages may have been missed, also once at the beginning.
   */
  subscribe(topic: string, onMessage: (payload: string) => void, onGap: () => void): void {
    this.subscriptions.push({ topic, onMessage, onGap });
  }

  private listen(): Promise<{ close(): Promise<void> }> | undefined {
    return this.boss.getDb().listen?.(
      CHANNEL,
      (message) => this.hear(message),
      () => this.subscriptions.forEach(({ onGap }) => onGap()),
    );
  }

  /** pg-boss listens again by itself, but after an outage it may wait for 30 s before. */
  private async listenAgain(): Promise<void> {
    const before = this.listening;
    if (before === undefined || this.stopAt > 0) return;
    try {
      this.listening = await this.listen();
      await before.close();
    } catch (error) {
      this.logger.warn({ msg: 'the listening connection could not be renewed', err: error });
    }
  }

  private hear(message: string): void {
    const [topic, payload = ''] = message.split(' ');
    for (const subscription of this.subscriptions) {
      if (subscription.topic === topic) subscription.onMessage(payload);
    }
  }

  /**
   * Takes no new tasks and waits for the running ones, for as long as a stop may take. HTTP and the
   * database are still there. What is not done by then comes back elsewhere when its heartbeat stops.
   */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopAt = performance.now() + this.shutdownDeadline.leftMilliseconds;
    const drained = this.handlers.map(({ queue }) => this.boss.offWork(queue, { wait: true }));
    await this.untilStop(Promise.all(drained));
  }

  /** Does not wait for a silent database forever. */
  async onApplicationShutdown(): Promise<void> {
    this.stopAt = Math.max(this.stopAt, performance.now() + SHUTDOWN_TIMEOUT_MILLISECONDS);
    await this.untilStop(
      Promise.all([this.listening?.close(), this.boss.stop({ graceful: false, close: true })]),
    );
  }

  /** Waits for `work` until the shutdown deadline. */
  private async untilStop(work: Promise<unknown>): Promise<void> {
    const end = await withTimeout(this.stopAt - performance.now(), work);
    if (end.outcome === 'late') this.logger.warn('what is running was not awaited any longer');
    if (end.outcome === 'broken') {
      this.logger.warn({ msg: 'the task queue did not stop', err: end.error });
    }
  }

  private traced(queue: TaskQueueName, task: Job<Task>, handler: Handler): Promise<void> {
    const { jobId, trace } = task.data;
    const attributes = { 'gateway.queue': queue, 'gateway.job_id': jobId };
    const options = { kind: SpanKind.CONSUMER, root: true, attributes, links: linksTo(trace) };
    return inSpan(`task ${queue}`, options, () => handler(jobId, task.signal));
  }

  private perform(queue: TaskQueueName, task: Job<Task>, handler: Handler): Promise<JobResult> {
    return withLogFields<Promise<JobResult>>({ task: queue, jobId: task.data.jobId }, async () => {
      const begin = performance.now();
      const performed = (outcome: 'done' | 'failed'): void =>
        this.metrics.performed(queue, outcome, (performance.now() - begin) / 1000);
      try {
        await this.traced(queue, task, handler);
        performed('done');
        return { id: task.id, status: 'completed' };
      } catch (error) {
        performed('failed');
        this.logger.error({ msg: 'task failed; it is retried', err: error });
        // Kept with the task: the type alone, since a message may quote data.
        return {
          id: task.id,
          status: 'failed',
          output: { error: error instanceof Error ? error.name : 'unknown' },
        };
      }
    });
  }
}

/** pg-boss passes some errors on as plain objects. */
function asError(thrown: unknown): unknown {
  if (thrown instanceof Error || typeof thrown !== 'object' || thrown === null) return thrown;
  const { message, code, stack } = thrown as Partial<Record<string, unknown>>;
  if (typeof message !== 'string') return thrown;
  const error = Object.assign(new Error(message), { code, stack });
  markDatabaseError(error);
  return error;
}

const names = new Map<string, string>();

/** pg-boss puts tasks in by one statement per queue, whose text stays the same. */
function nameOf(text: string): string {
  const name = names.get(text) ?? `tasks-add-${names.size}`;
  names.set(text, name);
  return name;
}

/** Creates or updates the queue's own tables and the queues. Part of the migrations. */
export async function installTaskQueues(settings: Settings): Promise<void> {
  const boss = new PgBoss({
    ...queueConnections(settings, 1),
    supervise: false,
    schedule: false,
    registerInstance: false,
  });
  boss.on('error', () => undefined);
  await boss.start();
  try {
    for (const [name, options] of Object.entries(TASK_QUEUES)) {
      await boss.createQueue(name, options);
      const { policy: _fixedAtCreation, ...changeable } = options;
      await boss.updateQueue(name, changeable);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
}
