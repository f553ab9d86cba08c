import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { REFUSAL_CAUSES } from '../audit/refusal.js';
import { JOB_ERROR_CODES } from '../jobs/job-error.js';
import { JOB_STATUSES, type JobStatus } from '../jobs/job-status.js';
import { DEFAULT_RANGE, RANGES, type OverviewCounts, type Range } from './overview.service.js';

export class OverviewQuery {
  /** The period before now. */
  @IsOptional()
  @IsIn(Object.keys(RANGES))
  @ApiPropertyOptional({ enum: Object.keys(RANGES) })
  range: Range = DEFAULT_RANGE;
}

class OpenJobsDto {
  @ApiProperty({ enum: JOB_STATUSES })
  status!: JobStatus;

  count!: number;

  /** Due jobs that no worker has leased yet. */
  overdue!: number;

  /** The age of the oldest job. */
  @ApiProperty({ format: 'double' })
  oldestSeconds!: number;
}

class FailureReasonDto {
  @ApiProperty({ enum: JOB_ERROR_CODES })
  code!: string;

  count!: number;
}

class CallbackLagDto {
  @ApiProperty({ format: 'double' })
  medianSeconds!: number;

  @ApiProperty({ format: 'double' })
  p95Seconds!: number;
}

class EndedJobsDto {
  total!: number;

  /** False if only the latest ended jobs are counted. */
  complete!: boolean;

  /** When the first counted job ended; null if all are counted. */
  firstAt!: Date | null;

  byStatus!: Record<string, number>;

  /** How the gateway learned of the terminal states. */
  bySettledBy!: Record<string, number>;

  /** Why jobs failed or expired, the most frequent reason first. */
  reasons!: FailureReasonDto[];

  /** The time from the first callback to the end of a job; null without callbacks. */
  callbackLag!: CallbackLagDto | null;
}

class RefusedSeriesDto {
  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause!: string;

  total!: number;

  /** One number for each slot. */
  @ApiProperty({ type: [Number] })
  counts!: readonly number[];
}

class CallbackTimelineDto {
  slotSeconds!: number;

  /** When each slot begins. */
  @ApiProperty({ type: [Date] })
  slots!: readonly string[];

  /** One number for each slot. */
  @ApiProperty({ type: [Number] })
  accepted!: readonly number[];

  /** The most frequent cause first. */
  @ApiProperty({ type: [RefusedSeriesDto] })
  refused!: readonly RefusedSeriesDto[];
}

export class OverviewDto {
  from!: Date;

  /** Open jobs are as of this time. */
  to!: Date;

  @ApiProperty({ type: [OpenJobsDto] })
  open!: readonly OpenJobsDto[];

  ended!: EndedJobsDto;
  callbacks!: CallbackTimelineDto;
}

export function toOverviewDto({ from, to, open, ended, timeline }: OverviewCounts): OverviewDto {
  const { callbackLag: lag, reasons } = ended;
  return {
    from,
    to,
    open,
    ended: {
      ...ended,
      reasons: [...reasons],
      callbackLag: lag === null ? null : { medianSeconds: lag.median, p95Seconds: lag.p95 },
    },
    callbacks: timeline,
  };
}
