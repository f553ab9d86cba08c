import { Module } from '@nestjs/common';
import { TaskQueue } from './task-queue.js';
import { Wakeups } from './wakeups.js';

@Module({ providers: [TaskQueue, Wakeups], exports: [TaskQueue, Wakeups] })
export class TasksModule {}
