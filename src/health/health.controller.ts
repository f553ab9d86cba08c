import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Readiness, type CheckResult } from './readiness.js';

class LiveView {
  @ApiProperty({ enum: ['up'] })
  status!: 'up';
}

class ReadyView {
  @ApiProperty({ enum: ['up', 'down'] })
  status!: 'up' | 'down';

  @ApiProperty({ type: 'object', additionalProperties: { type: 'string', enum: ['up', 'down'] } })
  checks!: Record<string, CheckResult>;
}

@Controller('health')
@ApiTags('Health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @ApiOperation({ summary: 'Whether the process runs' })
  @ApiOkResponse({ type: LiveView })
  live(): LiveView {
    return { status: 'up' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Whether the process can do its work' })
  @ApiOkResponse({ type: ReadyView })
  @ApiResponse({ status: 503, type: ReadyView })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadyView> {
    const checks = await this.readiness.check();
    const up = Object.values(checks).every((result) => result === 'up');
    if (!up) void reply.status(503);
    return { status: up ? 'up' : 'down', checks };
  }
}
