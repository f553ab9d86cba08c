import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { IsServiceName } from '../access/service-name.js';
import type { Job } from '../jobs/job.entity.js';
import { JobView, jobText } from '../jobs/job.view.js';
import { ListQuery } from '../jobs/jobs.query.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { appendMembers } from '../platform/json/json-text.js';

/** Which jobs: all that is given must hold. */
export class AdminListQuery extends OmitType(ListQuery, ['idempotencyKey']) {
  @IsOptional()
  @IsServiceName()
  @ApiPropertyOptional({ example: 'invoices' })
  service?: string;

  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  @ApiPropertyOptional({ description: 'Reducto’s id of the job.' })
  upstreamId?: string;
}

/** A job as admins see it. */
export class AdminJobView extends JobView {
  @ApiProperty({ example: 'invoices' })
  service!: string;

  @ApiProperty({ type: String, nullable: true, description: 'Reducto’s id of the job.' })
  upstreamId!: string | null;

  @ApiProperty({ type: 'integer', description: 'How often the job was sent to Reducto.' })
  submitAttempts!: number;

  @ApiProperty({ type: 'integer', description: 'How many polls found the job open.' })
  polls!: number;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the gateway will poll or send the job next.',
  })
  nextPollAt!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the first callback for the job was accepted.',
  })
  callbackReceivedAt!: string | null;
}

export class AdminJobPage {
  @ApiProperty({ type: [AdminJobView] })
  jobs!: AdminJobView[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Ask with this as `cursor` for the next page; null at the end.',
  })
  nextCursor!: string | null;
}

export function adminJobAnswer(job: Job): JsonAnswer {
  return new JsonAnswer(adminJobText(job));
}

export function adminPageAnswer(jobs: readonly Job[], limit: number): JsonAnswer {
  const page = jobs.slice(0, limit);
  const nextCursor = jobs.length > limit ? (page.at(-1)?.id ?? null) : null;
  const list = page.map(adminJobText).join(',');
  return new JsonAnswer(`{"jobs":[${list}],"nextCursor":${JSON.stringify(nextCursor)}}`);
}

function adminJobText(job: Job): string {
  const more: Omit<AdminJobView, keyof JobView> = {
    service: job.service,
    upstreamId: job.upstreamId,
    submitAttempts: job.submitAttempts,
    polls: job.looks,
    nextPollAt: job.nextCheckAt?.toISOString() ?? null,
    callbackReceivedAt: job.callbackReceivedAt?.toISOString() ?? null,
  };
  const texts = Object.entries(more).map(([name, value]) => [name, JSON.stringify(value)] as const);
  return appendMembers(jobText(job), Object.fromEntries(texts));
}
