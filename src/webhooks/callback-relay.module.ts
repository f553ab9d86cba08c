import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { JobsModule } from '../jobs/jobs.module.js';
import { TasksModule } from '../tasks/tasks.module.js';
import { CallbackRelay } from './callback-relay.js';
import { Callback } from './callback.entity.js';
import { InboxEntry } from './inbox-entry.entity.js';
import { RelayFigures } from './relay-figures.js';

/** What follows from callbacks, for processes that work. */
@Module({
  imports: [TypeOrmModule.forFeature([Callback, InboxEntry]), JobsModule, TasksModule],
  providers: [CallbackRelay, RelayFigures],
})
export class CallbackRelayModule {}
