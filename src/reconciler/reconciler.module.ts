import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { ListingNarrowing } from './listing-narrowing.js';
import { ReconcilerFigures } from './reconciler-figures.js';
import { ReconcilerService } from './reconciler.service.js';
import { Sweep } from './sweep.js';

@Module({
  imports: [JobsModule],
  providers: [ReconcilerService, ReconcilerFigures, Sweep, ListingNarrowing],
})
export class ReconcilerModule {}
