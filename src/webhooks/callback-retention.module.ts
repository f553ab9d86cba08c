import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { CallbackRetention } from './callback-retention.js';

@Module({ imports: [JobsModule], providers: [CallbackRetention], exports: [CallbackRetention] })
export class CallbackRetentionModule {}
