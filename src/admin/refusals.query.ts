import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import {
  IsIn,
  IsNumberString,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import type { RefusalFilter } from '../audit/audit-queries.js';
import { GUARDS, REFUSAL_CAUSES, type GuardName, type RefusalCause } from '../audit/refusal.js';
import { ADMIN_ACTIONS, type AdminAction } from './admin-actions.js';
import { IsMoment, readMoment } from '../platform/http/moment.js';
import { IsWholeNumber } from '../platform/http/whole-number.js';

/** PostgreSQL refuses NUL and lone surrogates. */
const HasNoControlCharacters = (): PropertyDecorator =>
  Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: '$property cannot hold control characters' });

/** Like `IsOptional`, but refuses null, which would disable the filter. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

/** A filter of refusals; all given fields must match. */
export class RefusalQuery {
  @IfGiven()
  @IsIn(REFUSAL_CAUSES)
  cause?: RefusalCause;

  /** The guard that refused. */
  @IfGiven()
  @IsIn(GUARDS)
  guard?: GuardName;

  /**
   * The client address.
   * @example '203.0.113.7'
   */
  @IfGiven()
  @IsString()
  @MaxLength(100)
  @HasNoControlCharacters()
  address?: string;

  /** The gateway’s id of a job, or Reducto’s. */
  @IfGiven()
  @IsString()
  @MaxLength(128)
  @HasNoControlCharacters()
  job?: string;

  /** `observed`: a guard in mode `observe` would have refused it. */
  @IfGiven()
  @IsIn(['refused', 'observed'])
  outcome?: 'refused' | 'observed';

  /**
   * RFC 3339 with a zone, or a date (midnight UTC).
   * @example '2026-11-25T18:13:00Z'
   */
  @IfGiven()
  @IsMoment()
  from?: string;

  /**
   * RFC 3339 with a zone, or a date (midnight UTC). Not included.
   * @example '2026-11-26'
   */
  @IfGiven()
  @IsMoment()
  to?: string;
}

export class PageQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsNumberString({ no_symbols: true })
  @MaxLength(18)
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

export class ActionsQuery extends PageQuery {
  @IfGiven()
  @IsIn(ADMIN_ACTIONS)
  action?: AdminAction;

  /** The record contains it: the id of a job, or a service. */
  @IfGiven()
  @IsString()
  @MaxLength(128)
  @HasNoControlCharacters()
  text?: string;
}

export class VerificationQuery {
  /** A head of the audit from the log, which the chain must contain. */
  @IsOptional()
  @IsString()
  @MaxLength(1000)
  since?: string;
}

export class RefusalPageQuery extends IntersectionType(RefusalQuery, PageQuery) {}

export class ExportQuery extends RefusalQuery {
  @IsOptional()
  @IsIn(['csv', 'json'])
  @ApiPropertyOptional()
  format: 'csv' | 'json' = 'json';
}

export function filterOf(query: RefusalQuery): RefusalFilter {
  const { cause, guard, address, job, outcome } = query;
  const [from, to] = [query.from, query.to].map((text) => readMoment(text ?? ''));
  return {
    ...(cause === undefined ? {} : { cause }),
    ...(guard === undefined ? {} : { guard }),
    ...(address === undefined ? {} : { address }),
    ...(job === undefined ? {} : { job }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}
