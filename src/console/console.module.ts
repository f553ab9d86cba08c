import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessModule } from '../access/access.module.js';
import { AdminModule } from '../admin/admin.module.js';
import { AlertQueriesModule } from '../alerts/alert-queries.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { DeliveriesAdminModule } from '../deliveries/deliveries-admin.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ActionsPagesController } from './actions-pages.controller.js';
import { AssetsController } from './layout/assets.controller.js';
import { ConsoleAssets } from './layout/console-assets.js';
import { EndpointsPagesController } from './endpoints-pages.controller.js';
import { EventsPagesController } from './events-pages.controller.js';
import { HomeController } from './home.controller.js';
import { JobsPagesController } from './jobs-pages.controller.js';
import { KeysPagesController } from './keys-pages.controller.js';
import { NotFoundController } from './not-found.controller.js';
import { OpenAlerts } from './layout/open-alerts.js';
import { OverviewController } from './overview.controller.js';
import { PageRenderer } from './layout/page-renderer.js';
import { RefusalComparison } from './refusal-comparison.js';
import { RefusalLists } from './refusal-lists.js';
import { RefusalsPagesController } from './refusals-pages.controller.js';
import { AdminSession } from './session/session.entity.js';
import { SessionLookups } from './session/session-lookups.js';
import { SessionRetention } from './session/session-retention.js';
import { SessionStore } from './session/session.store.js';
import { SessionsService } from './session/sessions.service.js';
import { ServicesPagesController } from './services-pages.controller.js';
import { SignInController } from './sign-in.controller.js';

/** The pages for admins at `/admin`; only in processes with the role `api`. */
@Module({
  imports: [
    TypeOrmModule.forFeature([AdminSession]),
    AccessModule,
    AdminModule,
    AlertQueriesModule,
    AuditModule,
    JobsModule,
    DeliveriesAdminModule,
  ],
  controllers: [
    HomeController,
    AssetsController,
    SignInController,
    OverviewController,
    RefusalsPagesController,
    JobsPagesController,
    EventsPagesController,
    EndpointsPagesController,
    KeysPagesController,
    ServicesPagesController,
    ActionsPagesController,
    NotFoundController,
  ],
  providers: [
    ConsoleAssets,
    PageRenderer,
    OpenAlerts,
    RefusalComparison,
    RefusalLists,
    SessionsService,
    SessionStore,
    SessionLookups,
    SessionRetention,
  ],
})
export class ConsoleModule {}
