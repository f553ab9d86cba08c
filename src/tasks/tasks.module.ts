import { Module } from '@nestjs/common';
import { TaskMetrics } from './task.metrics.js';
import { TaskQueue } from './task-queue.js';
import { Wakeups } from './wakeups.js';

@Module({ providers: [TaskQueue, TaskMetrics, Wakeups], exports: [TaskQueue, Wakeups] })
export class TasksModule {}
