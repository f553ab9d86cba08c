import { Controller, Get, Res } from '@nestjs/common';
import {
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Settings } from '../platform/config/settings.js';
import { Readiness, type CheckResult } from './readiness.js';

class LivenessDto {
  @ApiProperty({ enum: ['up'] })
  status!: 'up';
}

class ReadinessDto {
  @ApiProperty({ enum: ['up', 'down'] })
  status!: 'up' | 'down';

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string', enum: ['up', 'down'] },
  })
  checks?: Record<string, CheckResult>;
}

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

  @Get('live')
  @ApiOperation({ operationId: 'getLiveness', summary: 'Whether the process runs' })
  @ApiOkResponse({ type: LivenessDto })
  live(): LivenessDto {
    return { status: 'up' };
  }

  @Get('ready')
  @ApiOperation({
    operationId: 'getReadiness',
    summary: 'Whether the process is ready for requests',
  })
  @ApiOkResponse({ type: ReadinessDto })
  @ApiResponse({ status: 503, type: ReadinessDto })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessDto> {
    const { status, checks } = await this.readiness.report();
    if (status === 'down') void reply.status(503);
    return this.showsChecks ? { status, checks } : { status };
  }
}
