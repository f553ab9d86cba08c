import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { JobsModule } from '../jobs/jobs.module.js';
import { TasksModule } from '../tasks/tasks.module.js';
import { CallbackRelay } from './relay/callback-relay.js';
import { Callback } from './relay/callback.entity.js';
import { InboxEntry } from './receiving/inbox-entry.entity.js';
import { RelayMetrics } from './relay/relay.metrics.js';

/** Processes stored callbacks in the role `worker`. */
@Module({
  imports: [TypeOrmModule.forFeature([Callback, InboxEntry]), JobsModule, TasksModule],
  providers: [CallbackRelay, RelayMetrics],
})
export class CallbackRelayModule {}
