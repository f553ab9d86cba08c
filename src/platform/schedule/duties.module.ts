import { Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Duties } from './duties.js';

@Global()
@Module({
  imports: [ScheduleModule.forRoot()],
  providers: [Duties],
  exports: [Duties],
})
export class DutiesModule {}
