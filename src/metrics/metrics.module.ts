import { Module } from '@nestjs/common';
import { MetricsController } from './metrics.controller.js';

/** For the inside only: a process that is nothing but the door for callbacks does not have it. */
@Module({ controllers: [MetricsController] })
export class MetricsModule {}
