import { Injectable } from '@nestjs/common';
import { InjectEntityManager } from '@nestjs/typeorm';
import type { Histogram } from '@opentelemetry/api';
import { EntityManager } from 'typeorm';
import { rows } from '../platform/database/sql.js';
import { Metrics, SECONDS } from '../platform/metrics/metrics.js';
import { TASK_QUEUES, type TaskQueueName } from './task-queues.js';

interface WaitingTasks {
  readonly queue: string;
  readonly count: number;
  readonly oldestSeconds: number;
}

/** Scrapes within this time share one query. */
const FRESH_MILLISECONDS = 5000;
const QUEUES = Object.keys(TASK_QUEUES);

/** Metrics of background tasks. */
@Injectable()
export class TaskMetrics {
  private readonly seconds: Histogram;
  private waiting: { at: number; tasks: Promise<WaitingTasks[]> } | undefined;

  constructor(
    { meter }: Metrics,
    @InjectEntityManager() private readonly database: EntityManager,
  ) {
    this.seconds = meter.createHistogram('gateway_task_duration_seconds', {
      description: 'How long tasks take, by queue and outcome (done, failed: will be tried again)',
      advice: { explicitBucketBoundaries: SECONDS },
    });
    const count = meter.createObservableGauge('gateway_tasks_waiting', {
      description: 'Tasks that are due and that no worker has taken, by queue',
    });
    const oldest = meter.createObservableGauge('gateway_task_oldest_age_seconds', {
      description: 'For how long the oldest such task has been due, by queue',
    });
    meter.addBatchObservableCallback(
      async (result) => {
        const found = new Map((await this.tasks()).map((tasks) => [tasks.queue, tasks]));
        for (const queue of QUEUES) {
          result.observe(count, found.get(queue)?.count ?? 0, { queue });
          result.observe(oldest, found.get(queue)?.oldestSeconds ?? 0, { queue });
        }
      },
      [count, oldest],
    );
  }

  performed(queue: TaskQueueName, outcome: 'done' | 'failed', seconds: number): void {
    this.seconds.record(seconds, { queue, outcome });
  }

  private tasks(): Promise<WaitingTasks[]> {
    const now = performance.now();
    if (this.waiting === undefined || now - this.waiting.at > FRESH_MILLISECONDS) {
      this.waiting = { at: now, tasks: rows(this.database, WAITING, [QUEUES]) };
      this.waiting.tasks.catch(() => (this.waiting = undefined));
    }
    return this.waiting.tasks;
  }
}

/** As the index of pg-boss over what waits has it; what was done and is not removed yet is not read. */
const WAITING = `
  SELECT name AS queue, count(*)::integer AS count,
         extract(epoch FROM now() - min(greatest(start_after, created_on)))::float8 AS "oldestSeconds"
    FROM pgboss.job
   WHERE name = ANY ($1) AND state < 'active' AND NOT blocked AND start_after <= now()
   GROUP BY name`;
