import { Module, type DynamicModule } from '@nestjs/common';
import { HealthModule } from '../health/health.module.js';
import type { Settings } from '../platform/config/settings.js';
import { InternalServer } from './internal-server.js';
import { MetricsController } from './metrics.controller.js';

/**
 * Where the figures are served: on a port of their own where `METRICS_PORT` says so. Otherwise beside
 * everything else, but not on a process that is nothing but the door for callbacks.
 */
@Module({})
export class MetricsServerModule {
  static register(settings: Settings): DynamicModule {
    if (settings.METRICS_PORT !== undefined) {
      return { module: MetricsServerModule, imports: [HealthModule], providers: [InternalServer] };
    }
    return {
      module: MetricsServerModule,
      controllers: settings.isWebhookOnly ? [] : [MetricsController],
    };
  }
}
