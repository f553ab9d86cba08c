import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { asNumber } from '../platform/http/as-number.js';
import { JOB_STATUSES, type JobStatus } from './job-status.js';
import { JOB_TYPES, type JobType } from './job-type.js';

export class WaitQuery {
  @IsOptional()
  @asNumber
  @IsInt()
  @Min(0)
  @Max(60)
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: 60,
    default: 0,
    description: 'Seconds to hold the request if the job has not ended yet.',
  })
  wait?: number;
}

export class ListQuery {
  @IsOptional()
  @IsIn(JOB_STATUSES)
  @ApiPropertyOptional({ enum: JOB_STATUSES })
  status?: JobStatus;

  @IsOptional()
  @IsIn(JOB_TYPES)
  @ApiPropertyOptional({ enum: JOB_TYPES })
  type?: JobType;

  @IsOptional()
  @IsUUID()
  @ApiPropertyOptional({ description: '`nextCursor` of the page before.' })
  cursor?: string;

  @IsOptional()
  @asNumber
  @IsInt()
  @Min(1)
  @Max(200)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  limit?: number;
}
