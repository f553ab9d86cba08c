import { ApiOkResponse, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import type { AuditEntry, RefusalSummary } from '../audit/audit-queries.js';
import { GUARDS, REFUSAL_CAUSES, type Verdicts } from '../audit/refusal.js';

/** A refusal, or a count of refusals. Untrusted text is redacted and printable. */
export class RefusalDto {
  /** The position in the audit chain. */
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  /** `counted`: a number of refusals beyond the budget for single entries. */
  @ApiProperty({ enum: ['refused', 'observed', 'counted'] })
  kind!: string;

  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause!: string;

  @ApiProperty({ enum: GUARDS })
  guard!: string;

  /** The status of the answer. */
  status?: number;

  requestId?: string;

  /** The verdict of every guard. */
  @ApiProperty({
    type: 'object',
    additionalProperties: {
      type: 'object',
      properties: {
        result: { type: 'string', enum: ['pass', 'fail', 'not_checked', 'observed'] },
        cause: { type: 'string' },
        detail: { type: 'string', description: 'The key or secret that was tried.' },
      },
    },
  })
  verdicts?: Verdicts;

  /** The address that connected to the gateway. */
  peerAddress?: string;

  /** The client address that the trusted proxies report. */
  clientAddress?: string;

  /** `X-Forwarded-For` as received. */
  forwardedFor?: string | null;

  assertedJobId?: string | null;
  assertedUpstreamId?: string | null;

  /** The gateway’s job that the callback names. */
  jobId?: string | null;

  method?: string;
  path?: string;
  headers?: Record<string, string>;

  bodyBytes?: number;

  /** False if the body was too long and only its beginning was read. */
  bodyComplete?: boolean;

  bodySha256?: string;

  /** The beginning of the body, redacted. */
  bodySample?: string;

  /** The hash of the encrypted raw request for a re-check. */
  originalSha256?: string;

  /** Whether a re-check is possible. */
  recheckable?: boolean;

  /** For `counted`: the number of refusals. */
  count?: number;

  @ApiProperty({ format: 'date-time' })
  firstAt?: string;

  @ApiProperty({ format: 'date-time' })
  lastAt?: string;

  /** For `counted`: the number of refusals by address. */
  addresses?: Record<string, number>;
}

export class RefusalPageDto {
  refusals!: RefusalDto[];
  nextCursor!: string | null;
}

export class RefusalSummaryDto {
  /** The exact sum of `stored` and `counted`. */
  total!: number;

  /** Refusals with an entry of their own. */
  stored!: number;

  /** Refusals that were only counted, because they arrived too fast. */
  counted!: number;

  /** Accepted callbacks that a guard in mode `observe` would have refused. */
  observed!: number;

  byCause!: Record<string, number>;
}

/** Documents a download of refusals. */
export const ApiExportResponse = (): MethodDecorator & ClassDecorator =>
  ApiOkResponse({
    description: 'The refusals, newest first.',
    content: {
      'text/csv': { schema: { type: 'string' } },
      'application/json': {
        schema: {
          type: 'object',
          properties: { refusals: { type: 'array', items: { $ref: getSchemaPath(RefusalDto) } } },
          required: ['refusals'],
        },
      },
    },
  });

export function toRefusalDto({ id, at, kind, data, hasRawRequest }: AuditEntry): RefusalDto {
  const { cause = '', guard = '', ...rest } = data as Partial<RefusalDto>;
  return {
    id,
    at: at.toISOString(),
    kind,
    cause,
    guard,
    ...rest,
    ...(kind === 'counted' ? {} : { recheckable: hasRawRequest }),
  };
}

export function toRefusalPageDto(entries: readonly AuditEntry[], limit: number): RefusalPageDto {
  const page = entries.slice(0, limit);
  return {
    refusals: page.map(toRefusalDto),
    nextCursor: entries.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

export function toRefusalSummaryDto(summary: RefusalSummary): RefusalSummaryDto {
  return { total: summary.stored + summary.counted, ...summary };
}
