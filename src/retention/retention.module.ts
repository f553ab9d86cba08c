import { Module } from '@nestjs/common';
import { EventRetentionModule } from '../deliveries/event-retention.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackRetentionModule } from '../webhooks/callback-retention.module.js';
import { RetentionService } from './retention.service.js';
import { RetentionLeaseStore } from './retention-lease.store.js';

/** Deletes expired rows, in processes with the role `worker`. */
@Module({
  imports: [JobsModule, CallbackRetentionModule, EventRetentionModule],
  providers: [RetentionService, RetentionLeaseStore],
})
export class RetentionModule {}
