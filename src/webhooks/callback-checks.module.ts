import { Module } from '@nestjs/common';
import { AuditChainModule } from '../audit/audit-chain.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { AcceptedCallbacks } from './accepted-callbacks.js';
import { CallbackChecks } from './callback-checks.js';
import { RefusalRechecker } from './refusal-rechecker.js';
import { SvixSignatures } from './guards/svix-signatures.js';

/** The checks without the webhook receiver, for re-checks. */
@Module({
  imports: [AuditChainModule, JobsModule],
  providers: [CallbackChecks, SvixSignatures, AcceptedCallbacks, RefusalRechecker],
  exports: [CallbackChecks, AcceptedCallbacks, RefusalRechecker],
})
export class CallbackChecksModule {}
