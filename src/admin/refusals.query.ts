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
import { IsMoment, readMoment } from '../platform/http/moment.js';
import { IsWholeNumber } from '../platform/http/whole-number.js';

/** PostgreSQL refuses NUL and lone surrogates. */
const HasNoControlCharacters = (): PropertyDecorator =>
  Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: '$property cannot hold control characters' });

/** Like `IsOptional`, but refuses null, which would disable the filter. */
const IfGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

const MOMENT = 'RFC 3339 with a zone, or a date, which begins at midnight UTC.';

/** A filter of refusals; all given fields must match. */
export class RefusalQuery {
  @IfGiven()
  @IsIn(REFUSAL_CAUSES)
  @ApiPropertyOptional({ enum: REFUSAL_CAUSES })
  cause?: RefusalCause;

  @IfGiven()
  @IsIn(GUARDS)
  @ApiPropertyOptional({ enum: GUARDS, description: 'The guard that refused.' })
  guard?: GuardName;

  @IfGiven()
  @IsString()
  @MaxLength(100)
  @HasNoControlCharacters()
  @ApiPropertyOptional({ example: '203.0.113.7', description: 'The client address.' })
  address?: string;

  @IfGiven()
  @IsString()
  @MaxLength(128)
  @HasNoControlCharacters()
  @ApiPropertyOptional({ description: 'The gateway’s id of a job, or Reducto’s.' })
  job?: string;

  @IfGiven()
  @IsIn(['refused', 'observed'])
  @ApiPropertyOptional({
    enum: ['refused', 'observed'],
    description: '`observed`: a guard in mode `observe` would have refused it.',
  })
  outcome?: 'refused' | 'observed';

  @IfGiven()
  @IsMoment()
  @ApiPropertyOptional({ description: MOMENT, example: '2026-11-25T18:13:00Z' })
  from?: string;

  @IfGiven()
  @IsMoment()
  @ApiPropertyOptional({ description: `${MOMENT} Not included.`, example: '2026-11-26' })
  to?: string;
}

export class PageQuery {
  @IsOptional()
  @IsNumberString({ no_symbols: true })
  @MaxLength(18)
  @ApiPropertyOptional({ description: '`nextCursor` of the previous page.' })
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  limit?: number;
}

export class VerificationQuery {
  @IsOptional()
  @IsString()
  @MaxLength(1000)
  @ApiPropertyOptional({
    description: 'A head of the audit from the log, which the chain must contain.',
  })
  since?: string;
}

export class RefusalPageQuery extends IntersectionType(RefusalQuery, PageQuery) {}

export class ExportQuery extends RefusalQuery {
  @IsOptional()
  @IsIn(['csv', 'json'])
  @ApiPropertyOptional({ enum: ['csv', 'json'], default: 'json' })
  format?: 'csv' | 'json';
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
