import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { PoolFigures } from './pool-figures.js';
import { RuntimeFigures } from './runtime-figures.js';

@Global()
@Module({
  providers: [Metrics, RuntimeFigures, PoolFigures],
  exports: [Metrics, PoolFigures],
})
export class FiguresModule {}
