import { Controller, Get, Res } from '@nestjs/common';
import { ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Settings } from '../platform/config/settings.js';
import { LivenessDto, ReadinessDto } from './health.dto.js';
import { Readiness } from './readiness.js';

@Controller('health')
@ApiTags('Health')
export class HealthController {
  /** False on the public port of a webhook-only process whose `METRICS_PORT` shows the details. */
  private readonly showsChecks: boolean;

  constructor(
    private readonly readiness: Readiness,
    settings: Settings,
  ) {
    this.showsChecks = !(settings.isWebhookOnly && settings.METRICS_PORT !== undefined);
  }

  /** Whether the process runs */
  @Get('live')
  getLiveness(): LivenessDto {
    return { status: 'up' };
  }

  /** Whether the process is ready for requests */
  @Get('ready')
  @ApiServiceUnavailableResponse({ type: ReadinessDto })
  async getReadiness(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessDto> {
    const { status, checks } = await this.readiness.report();
    if (status === 'down') void reply.status(503);
    return this.showsChecks ? { status, checks } : { status };
  }
}
