import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Metrics } from '../platform/metrics/metrics.js';

@Controller('metrics')
@ApiTags('Health')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'The figures of this process, for Prometheus' })
  @ApiProduces('text/plain')
  @ApiOkResponse({ type: String })
  show(): Promise<string> {
    return this.metrics.text();
  }
}
