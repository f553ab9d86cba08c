import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics.js';
import { PoolMetrics } from './pool.metrics.js';
import { DeletedRows } from './removed-rows.js';
import { RuntimeMetrics } from './runtime.metrics.js';

@Global()
@Module({
  providers: [Metrics, RuntimeMetrics, PoolMetrics, DeletedRows],
  exports: [Metrics, PoolMetrics, DeletedRows],
})
export class MetricsModule {}
