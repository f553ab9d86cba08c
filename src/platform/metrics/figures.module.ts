import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { RemovedRows } from './removed-rows.js';

@Global()
@Module({ providers: [Metrics, RemovedRows], exports: [Metrics, RemovedRows] })
export class FiguresModule {}
