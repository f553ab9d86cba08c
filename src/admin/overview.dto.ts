import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { REFUSAL_CAUSES } from '../audit/refusal.js';
import { JOB_ERROR_CODES } from '../jobs/job-error.js';
import { JOB_STATUSES, type JobStatus } from '../jobs/job-status.js';
import { DEFAULT_RANGE, RANGES, type OverviewCounts, type Range } from './overview.service.js';

const RANGE_NAMES = Object.keys(RANGES);

export class OverviewQuery {
  @IsOptional()
  @IsIn(RANGE_NAMES)
  @ApiPropertyOptional({
    enum: RANGE_NAMES,
    default: DEFAULT_RANGE,
    description: 'The period before now.',
  })
  range?: Range;
}

class OpenJobsDto {
  @ApiProperty({ enum: JOB_STATUSES })
  status!: JobStatus;

  @ApiProperty({ type: 'integer' })
  count!: number;

  @ApiProperty({ type: 'integer', description: 'Due jobs that no worker has leased yet.' })
  overdue!: number;

  @ApiProperty({ type: Number, description: 'The age of the oldest job.' })
  oldestSeconds!: number;
}

class FailureReasonDto {
  @ApiProperty({ enum: JOB_ERROR_CODES })
  code!: string;

  @ApiProperty({ type: 'integer' })
  count!: number;
}

class CallbackLagDto {
  @ApiProperty({ type: Number })
  medianSeconds!: number;

  @ApiProperty({ type: Number })
  p95Seconds!: number;
}

class EndedJobsDto {
  @ApiProperty({ type: 'integer' })
  total!: number;

  @ApiProperty({ description: 'False if only the latest ended jobs are counted.' })
  complete!: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the first counted job ended; null if all are counted.',
  })
  firstAt!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  byStatus!: Record<string, number>;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'How the gateway learned of the terminal states.',
  })
  bySettledBy!: Record<string, number>;

  @ApiProperty({
    type: [FailureReasonDto],
    description: 'Why jobs failed or expired, the most frequent reason first.',
  })
  reasons!: FailureReasonDto[];

  @ApiProperty({
    type: CallbackLagDto,
    nullable: true,
    description: 'The time from the first callback to the end of a job; null without callbacks.',
  })
  callbackLag!: CallbackLagDto | null;
}

class RefusedSeriesDto {
  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause!: string;

  @ApiProperty({ type: 'integer' })
  total!: number;

  @ApiProperty({ type: [Number], description: 'One number for each slot.' })
  counts!: readonly number[];
}

class CallbackTimelineDto {
  @ApiProperty({ type: 'integer' })
  slotSeconds!: number;

  @ApiProperty({ type: [String], description: 'When each slot begins.' })
  slots!: readonly string[];

  @ApiProperty({ type: [Number], description: 'One number for each slot.' })
  accepted!: readonly number[];

  @ApiProperty({ type: [RefusedSeriesDto], description: 'The most frequent cause first.' })
  refused!: readonly RefusedSeriesDto[];
}

export class OverviewDto {
  @ApiProperty({ format: 'date-time' })
  from!: string;

  @ApiProperty({ format: 'date-time', description: 'Open jobs are as of this time.' })
  to!: string;

  @ApiProperty({ type: [OpenJobsDto] })
  open!: readonly OpenJobsDto[];

  @ApiProperty()
  ended!: EndedJobsDto;

  @ApiProperty()
  callbacks!: CallbackTimelineDto;
}

export function toOverviewDto({ from, to, open, ended, timeline }: OverviewCounts): OverviewDto {
  const { firstAt, callbackLag: lag } = ended;
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    open,
    ended: {
      ...ended,
      firstAt: firstAt?.toISOString() ?? null,
      reasons: [...ended.reasons],
      callbackLag: lag === null ? null : { medianSeconds: lag.median, p95Seconds: lag.p95 },
    },
    callbacks: timeline,
  };
}
