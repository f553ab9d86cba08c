import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { JobsWorkerModule } from '../jobs/jobs-worker.module.js';
import { BulkStatusCheck } from './bulk-status-check.js';
import { ReconcilerMetrics } from './reconciler.metrics.js';
import { ReconcilerService } from './reconciler.service.js';
import { Sweep } from './sweep.js';

@Module({
  imports: [JobsModule, JobsWorkerModule],
  providers: [ReconcilerService, ReconcilerMetrics, Sweep, BulkStatusCheck],
})
export class ReconcilerModule {}
