import {
  ApiProperty,
  ApiPropertyOptional,
  IntersectionType,
  OmitType,
  PickType,
} from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { IsServiceName } from '../access/service-name.js';
import { JOB_ERROR_CODES, type JobErrorCode } from '../jobs/job-error.js';
import type { Job } from '../jobs/job.entity.js';
import { JobDto, jobText } from '../jobs/job.dto.js';
import type { JobCallback } from '../webhooks/callback-history.js';
import {
  SEARCHED_STATUSES,
  type JobSearch,
  type Period,
  type SearchedStatus,
} from '../jobs/jobs-admin.service.js';
import { ListJobsQuery } from '../jobs/list-jobs.query.js';
import { IsMoment, readMoment } from '../platform/http/moment.js';
import { JsonAnswer } from '../platform/http/json-answer.js';
import { appendMembers } from '../platform/json/json-text.js';

const MOMENT = 'RFC 3339 with a zone, or a date, which begins at midnight UTC.';

/** A filter of jobs; all given fields must match. */
export class AdminCountQuery extends OmitType(ListJobsQuery, [
  'idempotencyKey',
  'status',
  'cursor',
  'limit',
]) {
  @IsOptional()
  @IsIn(SEARCHED_STATUSES)
  @ApiPropertyOptional({
    enum: SEARCHED_STATUSES,
    description: '`unsuccessful`: failed or expired.',
  })
  status?: SearchedStatus;

  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  @ApiPropertyOptional({ description: 'The beginning of the gateway’s id or of Reducto’s.' })
  id?: string;

  @IsOptional()
  @IsIn(JOB_ERROR_CODES)
  @ApiPropertyOptional({ enum: JOB_ERROR_CODES, description: 'The `error.code` of the job.' })
  code?: JobErrorCode;

  @IsOptional()
  @IsMoment()
  @ApiPropertyOptional({ description: `Accepted at or after this time. ${MOMENT}` })
  acceptedFrom?: string;

  @IsOptional()
  @IsMoment()
  @ApiPropertyOptional({ description: `Accepted before this time. ${MOMENT}` })
  acceptedTo?: string;

  @IsOptional()
  @IsMoment()
  @ApiPropertyOptional({
    description: `Ended at or after this time; the last ended job comes first then. ${MOMENT}`,
  })
  endedFrom?: string;

  @IsOptional()
  @IsMoment()
  @ApiPropertyOptional({
    description: `Ended before this time; the last ended job comes first then. ${MOMENT}`,
  })
  endedTo?: string;

  @IsOptional()
  @IsServiceName()
  @ApiPropertyOptional({ example: 'invoices' })
  service?: string;

  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  @ApiPropertyOptional({ description: 'Reducto’s id of the job.' })
  upstreamId?: string;
}

export class AdminListQuery extends IntersectionType(
  AdminCountQuery,
  PickType(ListJobsQuery, ['cursor', 'limit']),
) {}

export function searchOf(query: AdminListQuery): JobSearch {
  const { cursor, limit: _, acceptedFrom, acceptedTo, endedFrom, endedTo, ...filter } = query;
  const accepted = periodOf(acceptedFrom, acceptedTo);
  const ended = periodOf(endedFrom, endedTo);
  return {
    ...filter,
    ...(accepted === undefined ? {} : { accepted }),
    ...(ended === undefined ? {} : { ended }),
    ...(cursor === undefined ? {} : { before: cursor }),
  };
}

function periodOf(first: string | undefined, end: string | undefined): Period | undefined {
  const from = first === undefined ? undefined : readMoment(first);
  const to = end === undefined ? undefined : readMoment(end);
  if (from === undefined && to === undefined) return undefined;
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** A job as admins see it. */
export class AdminJobDto extends JobDto {
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

class ResultFactsDto {
  @ApiProperty({ type: 'integer', description: 'The size of the JSON.' })
  bytes!: number;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'The pages that Reducto processed; null if unknown.',
  })
  pages!: number | null;
}

export class AdminJobDetailDto extends AdminJobDto {
  @ApiProperty({ type: ResultFactsDto, nullable: true, description: 'The stored result.' })
  result!: ResultFactsDto | null;
}

export class JobCountDto {
  @ApiProperty({ type: 'integer' })
  count!: number;

  @ApiProperty({ description: 'False if counting stopped before the end.' })
  complete!: boolean;
}

/** An accepted callback. */
export class JobCallbackDto {
  @ApiProperty({ format: 'date-time' })
  receivedAt!: string;

  @ApiProperty({ format: 'date-time', description: 'When the sender last repeated it.' })
  lastReceivedAt!: string;

  @ApiProperty({ type: 'integer', description: 'How often it arrived.' })
  deliveries!: number;

  @ApiProperty({ description: 'As the sender reports it. The gateway asks Reducto.' })
  status!: string;

  @ApiProperty({ description: 'Reducto’s id of the job, as the sender reports it.' })
  upstreamId!: string;

  @ApiProperty({
    example: 'token',
    description: 'The proof: `token`, `svix`, or `none` if GUARD_SECRET does not enforce.',
  })
  provedBy!: string;

  @ApiProperty({ example: '203.0.113.7' })
  clientAddress!: string;
}

export class JobCallbackListDto {
  @ApiProperty({ type: [JobCallbackDto] })
  callbacks!: JobCallbackDto[];
}

export class ServiceListDto {
  @ApiProperty({ type: [String], example: ['invoices'] })
  services!: string[];
}

export class AdminJobPageDto {
  @ApiProperty({ type: [AdminJobDto] })
  jobs!: AdminJobDto[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Pass it as `cursor` to get the next page; null on the last page.',
  })
  nextCursor!: string | null;
}

export function adminJobAnswer(job: Job): JsonAnswer {
  return new JsonAnswer(adminJobText(job));
}

export function adminDetailAnswer(job: Job, result: AdminJobDetailDto['result']): JsonAnswer {
  return new JsonAnswer(appendMembers(adminJobText(job), { result: JSON.stringify(result) }));
}

export function toJobCallbackListDto(callbacks: readonly JobCallback[]): JobCallbackListDto {
  return {
    callbacks: callbacks.map((callback) => ({
      receivedAt: callback.receivedAt.toISOString(),
      lastReceivedAt: callback.lastReceivedAt.toISOString(),
      deliveries: callback.deliveries,
      status: callback.status,
      upstreamId: callback.upstreamId,
      provedBy: callback.provedBy,
      clientAddress: callback.clientAddress,
    })),
  };
}

export function adminPageAnswer(jobs: readonly Job[], limit: number): JsonAnswer {
  const page = jobs.slice(0, limit);
  const nextCursor = jobs.length > limit ? (page.at(-1)?.id ?? null) : null;
  const list = page.map(adminJobText).join(',');
  return new JsonAnswer(`{"jobs":[${list}],"nextCursor":${JSON.stringify(nextCursor)}}`);
}

function adminJobText(job: Job): string {
  const more: Omit<AdminJobDto, keyof JobDto> = {
    service: job.service,
    upstreamId: job.upstreamId,
    submitAttempts: job.submitAttempts,
    polls: job.polls,
    nextPollAt: job.nextCheckAt?.toISOString() ?? null,
    callbackReceivedAt: job.callbackReceivedAt?.toISOString() ?? null,
  };
  const texts = Object.entries(more).map(([name, value]) => [name, JSON.stringify(value)] as const);
  return appendMembers(jobText(job), Object.fromEntries(texts));
}
