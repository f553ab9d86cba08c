import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { REFUSAL_CAUSES } from '../audit/refusal.js';
import { JOB_ERROR_CODES } from '../jobs/job-error.js';
import { JOB_STATUSES, type JobStatus } from '../jobs/job-status.js';
import { DEFAULT_RANGE, RANGES, type OverviewFigures, type Range } from './overview.service.js';

const RANGE_NAMES = Object.keys(RANGES);

export class OverviewQuery {
  @IsOptional()
  @IsIn(RANGE_NAMES)
  @ApiPropertyOptional({
    enum: RANGE_NAMES,
    default: DEFAULT_RANGE,
    description: 'The time before now that the numbers are about.',
  })
  range?: Range;
}

class OpenJobsView {
  @ApiProperty({ enum: JOB_STATUSES })
  status!: JobStatus;

  @ApiProperty({ type: 'integer' })
  count!: number;

  @ApiProperty({ type: 'integer', description: 'Due, and no worker has taken them yet.' })
  overdue!: number;

  @ApiProperty({ type: Number, description: 'Since the oldest one was accepted.' })
  oldestSeconds!: number;
}

class FailureReasonView {
  @ApiProperty({ enum: JOB_ERROR_CODES })
  code!: string;

  @ApiProperty({ type: 'integer' })
  count!: number;
}

class CallbackLagView {
  @ApiProperty({ type: Number })
  medianSeconds!: number;

  @ApiProperty({ type: Number })
  p95Seconds!: number;
}

class EndedJobsView {
  @ApiProperty({ type: 'integer' })
  total!: number;

  @ApiProperty({ description: 'False where more jobs ended, and these are the last ones.' })
  complete!: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the first of them ended, where they are not all.',
  })
  firstAt!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  byStatus!: Record<string, number>;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'How the gateway learned of the ends.',
  })
  bySettledBy!: Record<string, number>;

  @ApiProperty({
    type: [FailureReasonView],
    description: 'Why jobs failed or expired, the most frequent reason first.',
  })
  reasons!: FailureReasonView[];

  @ApiProperty({
    type: CallbackLagView,
    nullable: true,
    description: 'From the first callback for a job to its end; null where there was none.',
  })
  callbackLag!: CallbackLagView | null;
}

class RefusedSeriesView {
  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause!: string;

  @ApiProperty({ type: 'integer' })
  total!: number;

  @ApiProperty({ type: [Number], description: 'One number for each slot.' })
  counts!: readonly number[];
}

class CallbackTimelineView {
  @ApiProperty({ type: 'integer' })
  slotSeconds!: number;

  @ApiProperty({ type: [String], description: 'When each slot begins.' })
  slots!: readonly string[];

  @ApiProperty({ type: [Number], description: 'One number for each slot.' })
  accepted!: readonly number[];

  @ApiProperty({ type: [RefusedSeriesView], description: 'The most frequent cause first.' })
  refused!: readonly RefusedSeriesView[];
}

export class OverviewView {
  @ApiProperty({ format: 'date-time' })
  from!: string;

  @ApiProperty({ format: 'date-time', description: 'Open jobs are as of this time.' })
  to!: string;

  @ApiProperty({ type: [OpenJobsView] })
  open!: readonly OpenJobsView[];

  @ApiProperty()
  ended!: EndedJobsView;

  @ApiProperty()
  callbacks!: CallbackTimelineView;
}

export function viewOfOverview({ from, to, open, ended, timeline }: OverviewFigures): OverviewView {
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
