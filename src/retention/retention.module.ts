import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackRetentionModule } from '../webhooks/callback-retention.module.js';
import { RetentionService } from './retention.service.js';
import { RetentionLeaseStore } from './retention-lease.store.js';

/** Removes what is old; only in processes with the role `worker`. */
@Module({
  imports: [JobsModule, CallbackRetentionModule],
  providers: [RetentionService, RetentionLeaseStore],
})
export class RetentionModule {}
