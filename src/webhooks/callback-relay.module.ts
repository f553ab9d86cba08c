import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { JobsModule } from '../jobs/jobs.module.js';
import { WorkModule } from '../platform/work/work.module.js';
import { CallbackRelay } from './relay/callback-relay.js';
import { Callback } from './relay/callback.entity.js';
import { InboxEntry } from './receiving/inbox-entry.entity.js';
import { RelayMetrics } from './relay/relay.metrics.js';

/** Processes stored callbacks in the role `worker`. */
@Module({
  imports: [TypeOrmModule.forFeature([Callback, InboxEntry]), JobsModule, WorkModule],
  providers: [CallbackRelay, RelayMetrics],
})
export class CallbackRelayModule {}
