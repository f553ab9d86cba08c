import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Metrics, METRICS_TYPE } from '../platform/metrics/metrics.js';

@Controller('metrics')
@ApiTags('Health')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Header('Content-Type', METRICS_TYPE)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    operationId: 'getMetrics',
    summary: 'Metrics of this process in the Prometheus format',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ type: String })
  show(): Promise<string> {
    return this.metrics.text();
  }
}
