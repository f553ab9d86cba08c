import { Module } from '@nestjs/common';
import { AuditChainModule } from '../audit/audit-chain.module.js';
import { DeliveriesAdminModule } from '../deliveries/deliveries-admin.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackChecksModule } from '../webhooks/callback-checks.module.js';
import { AlertMetrics } from './alert.metrics.js';
import { AlertQueriesModule } from './alert-queries.module.js';
import { AlertWebhook } from './alert-webhook.js';
import { AlertsService } from './alerts.service.js';
import { AlertsStore } from './alerts.store.js';
import { DetectionInputReader } from './detection-input.reader.js';

/** Detects and raises alerts in processes with the role `worker`. */
@Module({
  imports: [
    AlertQueriesModule,
    AuditChainModule,
    JobsModule,
    DeliveriesAdminModule,
    CallbackChecksModule,
  ],
  providers: [AlertsStore, DetectionInputReader, AlertMetrics, AlertWebhook, AlertsService],
})
export class AlertsModule {}
