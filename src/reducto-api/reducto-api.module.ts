import { Module } from '@nestjs/common';
import { DeliveriesModule } from '../deliveries/deliveries.module.js';
import { JobsApiModule } from '../jobs/jobs-api.module.js';
import { AccountController } from './account.controller.js';
import { CallsController } from './calls.controller.js';
import { CallsService } from './calls.service.js';
import { SdkJobsController } from './sdk-jobs.controller.js';
import { SdkUploadsController } from './sdk-uploads.controller.js';
import { UpstreamVersion } from './upstream-version.js';

/**
 * The drop-in surface for Reducto’s official SDKs: Reducto’s paths and shapes, translated to the gateway’s jobs. Only in
 * processes with the role `api`.
 */
@Module({
  imports: [JobsApiModule, DeliveriesModule],
  controllers: [CallsController, SdkJobsController, SdkUploadsController, AccountController],
  providers: [CallsService, UpstreamVersion],
})
export class ReductoApiModule {}
