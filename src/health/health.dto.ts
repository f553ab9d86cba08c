import type { CheckResult } from './readiness.js';
import { ApiProperty } from '@nestjs/swagger';

export class LivenessDto {
  status!: 'up';
}

export class ReadinessDto {
  status!: 'up' | 'down';

  @ApiProperty({ additionalProperties: { type: 'string', enum: ['up', 'down'] } })
  checks?: Record<string, CheckResult>;
}
