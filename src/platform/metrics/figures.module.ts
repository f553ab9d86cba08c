import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { PoolFigures } from './pool-figures.js';
import { RemovedRows } from './removed-rows.js';
import { RuntimeFigures } from './runtime-figures.js';

@Global()
@Module({
  providers: [Metrics, RuntimeFigures, PoolFigures, RemovedRows],
  exports: [Metrics, PoolFigures, RemovedRows],
})
export class FiguresModule {}
