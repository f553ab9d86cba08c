import { Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { IntervalScheduler } from './interval-scheduler.js';

@Global()
@Module({
  imports: [ScheduleModule.forRoot()],
  providers: [IntervalScheduler],
  exports: [IntervalScheduler],
})
export class IntervalScheduleModule {}
