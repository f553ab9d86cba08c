import { Module } from '@nestjs/common';
import { TaskFigures } from './task-figures.js';
import { TaskQueue } from './task-queue.js';

@Module({ providers: [TaskQueue, TaskFigures], exports: [TaskQueue] })
export class TasksModule {}
