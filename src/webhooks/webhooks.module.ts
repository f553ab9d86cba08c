import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { TasksModule } from '../tasks/tasks.module.js';
import { CallbackChecksModule } from './callback-checks.module.js';
import { CallbackBodies } from './callback-body.js';
import { CallbackFigures } from './callback-figures.js';
import { CallbackRefusals } from './callback-refusals.js';
import { CallbackSecretGuard } from './callback-secret.guard.js';
import { SourceIpGuard } from './source-ip.guard.js';
import { WellFormedGuard } from './well-formed.guard.js';
import { CallbackInbox } from './callback-inbox.js';
import { InboxEntry } from './inbox-entry.entity.js';
import { ObservedRefusals } from './observed-refusals.js';
import { WebhooksController } from './webhooks.controller.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([InboxEntry]),
    JobsModule,
    TasksModule,
    AuditModule,
    CallbackChecksModule,
  ],
  controllers: [WebhooksController],
  providers: [
    SourceIpGuard,
    WellFormedGuard,
    CallbackSecretGuard,
    CallbackRefusals,
    CallbackBodies,
    CallbackInbox,
    CallbackFigures,
    ObservedRefusals,
  ],
})
export class WebhooksModule {}
