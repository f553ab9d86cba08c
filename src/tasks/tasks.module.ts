import { Module } from '@nestjs/common';
import { TaskQueue } from './task-queue.js';

@Module({ providers: [TaskQueue], exports: [TaskQueue] })
export class TasksModule {}
