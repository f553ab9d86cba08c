import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { WorkModule } from '../platform/work/work.module.js';
import { CallbackChecksModule } from './callback-checks.module.js';
import { CallbackBodyReader } from './receiving/callback-body.reader.js';
import { CallbackMetrics } from './receiving/callback.metrics.js';
import { CallbackRefusals } from './receiving/callback-refusals.js';
import { CallbackInbox } from './receiving/callback-inbox.js';
import { InboxEntry } from './receiving/inbox-entry.entity.js';
import { MismatchedCallbacks } from './receiving/mismatched-callbacks.js';
import { ObservedRefusals } from './receiving/observed-refusals.js';
import { WebhooksController } from './webhooks.controller.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([InboxEntry]),
    JobsModule,
    WorkModule,
    AuditModule,
    CallbackChecksModule,
  ],
  controllers: [WebhooksController],
  providers: [
    CallbackRefusals,
    CallbackBodyReader,
    CallbackInbox,
    CallbackMetrics,
    MismatchedCallbacks,
    ObservedRefusals,
  ],
})
export class WebhooksModule {}
