import { Module } from '@nestjs/common';
import { JobsController } from './jobs.controller.js';
import { JobsModule } from './jobs.module.js';
import { UploadsController } from './uploads.controller.js';
import { UploadsService } from './uploads.service.js';

/** The REST API for internal services; only in processes with the role `api`. */
@Module({
  imports: [JobsModule],
  controllers: [JobsController, UploadsController],
  providers: [UploadsService],
})
export class JobsApiModule {}
