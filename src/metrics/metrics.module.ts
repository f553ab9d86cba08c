import { Module, type DynamicModule } from '@nestjs/common';
import { HealthModule } from '../health/health.module.js';
import type { Settings } from '../platform/config/settings.js';
import { InternalServer } from './internal-server.js';
import { MetricsController } from './metrics.controller.js';

/**
 * Serves metrics on `METRICS_PORT` if it is set. Otherwise on `PORT`, except in webhook-only processes, which may be
 * exposed to the internet.
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
