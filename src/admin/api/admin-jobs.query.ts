import { IntersectionType, OmitType, PickType } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { IsServiceName } from '../../access/service-name.js';
import { JOB_ERROR_CODES, type JobErrorCode } from '../../jobs/job-error.js';
import {
  SEARCHED_STATUSES,
  type JobSearch,
  type Period,
  type SearchedStatus,
} from '../../jobs/jobs-admin.service.js';
import { ListJobsQuery } from '../../jobs/job.dto.js';
import { IsMoment, readMoment } from '../../platform/http/moment.js';

/** A filter of jobs; all given fields must match. */
export class AdminCountQuery extends OmitType(ListJobsQuery, [
  'idempotencyKey',
  'status',
  'cursor',
  'limit',
]) {
  /** `unsuccessful`: failed or expired. */
  @IsOptional()
  @IsIn(SEARCHED_STATUSES)
  status?: SearchedStatus;

  /** The beginning of the gateway’s id or of Reducto’s. */
  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  id?: string;

  /** The `error.code` of the job. */
  @IsOptional()
  @IsIn(JOB_ERROR_CODES)
  code?: JobErrorCode;

  /** Accepted at or after this time. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  acceptedFrom?: string;

  /** Accepted before this time. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  acceptedTo?: string;

  /** Ended at or after this time; the last ended job comes first then. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  endedFrom?: string;

  /** Ended before this time; the last ended job comes first then. RFC 3339 with a zone, or a date (midnight UTC). */
  @IsOptional()
  @IsMoment()
  endedTo?: string;

  /** @example 'invoices' */
  @IsOptional()
  @IsServiceName()
  service?: string;

  /** Reducto’s id of the job. */
  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,128}$/, { message: 'must be 1 to 128 printable ASCII characters' })
  upstreamId?: string;
}

export class AdminListQuery extends IntersectionType(
  AdminCountQuery,
  PickType(ListJobsQuery, ['cursor', 'limit']),
) {}

export function searchOf(query: AdminCountQuery & { readonly cursor?: string }): JobSearch {
  const { cursor, acceptedFrom, acceptedTo, endedFrom, endedTo, ...filter } = query;
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
