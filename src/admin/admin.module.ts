import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackChecksModule } from '../webhooks/callback-checks.module.js';
import { AccessFailures } from './access-failures.js';
import { AdminActions } from './admin-actions.js';
import { AdminJobs } from './admin-jobs.js';
import { AdminKeys } from './admin-keys.js';
import { ApiKeysController } from './api-keys.controller.js';
import { AdminJobsController } from './jobs.controller.js';
import { AuditController } from './audit.controller.js';
import { AuditVerification } from './audit-verification.js';
import { RefusalRecheck } from './recheck.js';
import { RefusalExport } from './refusal-export.js';
import { RefusalsController } from './refusals.controller.js';
import { RefusalsService } from './refusals.service.js';

@Module({
  imports: [AccessModule, AuditModule, JobsModule, CallbackChecksModule],
  controllers: [AdminJobsController, ApiKeysController, RefusalsController, AuditController],
  providers: [
    AccessFailures,
    AdminActions,
    AdminJobs,
    AdminKeys,
    AuditVerification,
    RefusalsService,
    RefusalRecheck,
    RefusalExport,
  ],
  exports: [
    AccessFailures,
    AdminActions,
    AdminJobs,
    AdminKeys,
    AuditVerification,
    RefusalsService,
    RefusalRecheck,
    RefusalExport,
  ],
})
export class AdminModule {}
