import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackInbox } from './callback-inbox.js';
import { CallbackSecretGuard } from './callback-secret.guard.js';
import { Callback } from './callback.entity.js';
import { ObservedRefusals } from './observed-refusals.js';
import { SvixSignatures } from './svix-signature.js';
import { WebhooksController } from './webhooks.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Callback]), JobsModule, AuditModule],
  controllers: [WebhooksController],
  providers: [CallbackInbox, CallbackSecretGuard, ObservedRefusals, SvixSignatures],
})
export class WebhooksModule {}
