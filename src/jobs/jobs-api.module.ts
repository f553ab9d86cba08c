import { Module } from '@nestjs/common';
import { JobsController } from './api/jobs.controller.js';
import { INPUT_CLASSES, OPEN_CLASSES } from './api/create-job.dto.js';
import { FilesController } from './files/files.controller.js';
import { SignedFilesController } from './files/signed-files.controller.js';
import { JobsModule } from './jobs.module.js';
import { UploadsController } from './uploads/uploads.controller.js';
import { UploadsService } from './uploads.service.js';

/** The REST API for internal services; only in processes with the role `api`. */
@Module({
  imports: [JobsModule],
  controllers: [JobsController, FilesController, SignedFilesController, UploadsController],
  providers: [UploadsService],
  exports: [JobsModule, UploadsService],
})
export class JobsApiModule {}

/** Names of the request schemas that allow members beyond those listed. */
export const OPEN_SCHEMAS = OPEN_CLASSES.map(({ name }) => name);

/** Names of the request schemas with a document in `input` or in `document_url`. */
export const INPUT_SCHEMAS = INPUT_CLASSES.map(({ name }) => name);
