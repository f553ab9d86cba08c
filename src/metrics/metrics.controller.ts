import { Controller, Get, Header } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import { Metrics, METRICS_TYPE } from '../platform/metrics/metrics.js';

@Controller('metrics')
@ApiTags('Health')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Metrics of this process in the Prometheus format */
  @Get()
  @Header('Content-Type', METRICS_TYPE)
  @Header('Cache-Control', 'no-store')
  @ApiProduces('text/plain')
  getMetrics(): Promise<string> {
    return this.metrics.text();
  }
}
