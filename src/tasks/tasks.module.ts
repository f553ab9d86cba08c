import { Module } from '@nestjs/common';
import { TaskFigures } from './task-figures.js';
import { TaskQueue } from './task-queue.js';
import { Wakeups } from './wakeups.js';

@Module({ providers: [TaskQueue, TaskFigures, Wakeups], exports: [TaskQueue, Wakeups] })
export class TasksModule {}
