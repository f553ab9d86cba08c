import { Module, type DynamicModule } from '@nestjs/common';
import { AccessApiModule } from './access/access-api.module.js';
import { AdminModule } from './admin/admin.module.js';
import { AlertsModule } from './alerts/alerts.module.js';
import { AuditRetentionModule } from './audit/audit-retention.module.js';
import { ErrorsPageController } from './app.errors.controller.js';
import { AuditWatchModule } from './audit/audit-watch.module.js';
import { ConsoleModule } from './console/console.module.js';
import { DeliveriesApiModule } from './deliveries/deliveries-api.module.js';
import { DeliveriesWorkerModule } from './deliveries/deliveries-worker.module.js';
import { HealthModule } from './health/health.module.js';
import { JobsApiModule } from './jobs/jobs-api.module.js';
import { JobsWorkerModule } from './jobs/jobs-worker.module.js';
import { MetricsServerModule } from './metrics/metrics.module.js';
import { ConfigModule } from './platform/config/config.module.js';
import type { Settings } from './platform/config/settings.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { MetricsModule } from './platform/metrics/metrics.module.js';
import { IntervalScheduleModule } from './platform/schedule/schedule.module.js';
import { ReductoApiModule } from './reducto-api/reducto-api.module.js';
import { ReconcilerModule } from './reconciler/reconciler.module.js';
import { CallbackRelayModule } from './webhooks/callback-relay.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { WebhooksModule } from './webhooks/webhooks.module.js';

/** The gateway, with the modules of its roles. */
@Module({})
export class AppModule {
  static forRoot(settings: Settings): DynamicModule {
    return {
      module: AppModule,
      controllers: settings.has('api') ? [ErrorsPageController] : [],
      imports: [
        ConfigModule.register(settings),
        DatabaseModule.forRoot(),
        MetricsModule,
        IntervalScheduleModule,
        AuditWatchModule,
        HealthModule,
        MetricsServerModule.register(settings),
        ...(settings.has('api')
          ? [
              AccessApiModule,
              JobsApiModule,
              DeliveriesApiModule,
              ReductoApiModule,
              AdminModule,
              ConsoleModule,
            ]
          : []),
        ...(settings.has('webhooks') ? [WebhooksModule] : []),
        ...(settings.has('worker')
          ? [
              JobsWorkerModule,
              CallbackRelayModule,
              DeliveriesWorkerModule,
              ReconcilerModule,
              AlertsModule,
              AuditRetentionModule,
              RetentionModule,
            ]
          : []),
      ],
    };
  }
}
