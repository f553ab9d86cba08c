import { Module } from '@nestjs/common';
import { AdminDeliveriesStore } from './admin/admin-deliveries.store.js';
import { UnhealthyEndpointsStore } from './admin/unhealthy-endpoints.store.js';
import { DeliveriesAdminService } from './deliveries-admin.service.js';
import { DeliveriesModule } from './deliveries.module.js';

/** What admins and alerts need of endpoints and events. */
@Module({
  imports: [DeliveriesModule],
  providers: [AdminDeliveriesStore, UnhealthyEndpointsStore, DeliveriesAdminService],
  exports: [DeliveriesModule, DeliveriesAdminService],
})
export class DeliveriesAdminModule {}
