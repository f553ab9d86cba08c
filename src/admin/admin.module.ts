import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { AlertQueriesModule } from '../alerts/alert-queries.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { DeliveriesAdminModule } from '../deliveries/deliveries-admin.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackChecksModule } from '../webhooks/callback-checks.module.js';
import { CallbackHistory } from '../webhooks/callback-history.js';
import { AccessFailures } from './access-failures.js';
import { AdminActions } from './admin-actions.js';
import { AdminAlerts } from './admin-alerts.js';
import { AdminDeliveries } from './admin-deliveries.js';
import { AdminJobs } from './admin-jobs.js';
import { AdminKeys } from './admin-keys.js';
import { AdminServices } from './admin-services.js';
import { AlertsController } from './api/alerts.controller.js';
import { ApiKeysController } from './api/api-keys.controller.js';
import { AdminEndpointsController } from './api/endpoints.controller.js';
import { AdminEventsController } from './api/events.controller.js';
import { AdminJobsController } from './api/jobs.controller.js';
import { AuditController } from './api/audit.controller.js';
import { ServicesController } from './api/services.controller.js';
import { AuditVerification } from './audit-verification.js';
import { AdminOverviewController } from './api/overview.controller.js';
import { OverviewService } from './overview.service.js';
import { RefusalRecheck } from './recheck.js';
import { RefusalExport } from './refusal-export.js';
import { RefusalsController } from './api/refusals.controller.js';
import { RefusalsService } from './refusals.service.js';

const SERVICES = [
  AccessFailures,
  AdminActions,
  AdminAlerts,
  AdminDeliveries,
  AdminJobs,
  AdminKeys,
  AdminServices,
  AuditVerification,
  CallbackHistory,
  OverviewService,
  RefusalsService,
  RefusalRecheck,
  RefusalExport,
];

@Module({
  imports: [
    AccessModule,
    AlertQueriesModule,
    AuditModule,
    JobsModule,
    CallbackChecksModule,
    DeliveriesAdminModule,
  ],
  controllers: [
    AlertsController,
    AdminEndpointsController,
    AdminEventsController,
    AdminJobsController,
    ApiKeysController,
    RefusalsController,
    AuditController,
    AdminOverviewController,
    ServicesController,
  ],
  providers: SERVICES,
  exports: SERVICES,
})
export class AdminModule {}
