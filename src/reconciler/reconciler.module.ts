import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { JobsModule } from '../jobs/jobs.module.js';
import { ReconcilerService } from './reconciler.service.js';

@Module({ imports: [ScheduleModule.forRoot(), JobsModule], providers: [ReconcilerService] })
export class ReconcilerModule {}
