import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { isTerminal } from '../jobs/job-status.js';
import type { Recheck } from './recheck.js';
import type { AuditEntry, RefusalSummary } from '../audit/audit-queries.js';
import { GUARDS, REFUSAL_CAUSES, type Verdicts } from '../audit/refusal.js';

/** Maximum job ids in an answer; the counts include all jobs. */
const MAX_JOBS_SHOWN = 1000;

/** A refusal, or a count of refusals. Untrusted text is redacted and printable. */
export class RefusalDto {
  @ApiProperty({ description: 'The position in the audit chain.' })
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({
    enum: ['refused', 'observed', 'counted'],
    description: '`counted`: a number of refusals beyond the budget for single entries.',
  })
  kind!: string;

  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause!: string;

  @ApiProperty({ enum: GUARDS })
  guard!: string;

  @ApiPropertyOptional({ type: 'integer', description: 'The status of the answer.' })
  status?: number;

  @ApiPropertyOptional()
  requestId?: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: {
      type: 'object',
      properties: {
        result: { type: 'string', enum: ['pass', 'fail', 'not_checked', 'observed'] },
        cause: { type: 'string' },
        detail: { type: 'string', description: 'The key or secret that was tried.' },
      },
    },
    description: 'The verdict of every guard.',
  })
  verdicts?: Verdicts;

  @ApiPropertyOptional({ description: 'The address that connected to the gateway.' })
  peerAddress?: string;

  @ApiPropertyOptional({ description: 'The client address that the trusted proxies report.' })
  clientAddress?: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description: '`X-Forwarded-For` as received.',
  })
  forwardedFor?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  assertedJobId?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  assertedUpstreamId?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description: 'The gateway’s job that the callback names.',
  })
  jobId?: string | null;

  @ApiPropertyOptional()
  method?: string;

  @ApiPropertyOptional()
  path?: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  headers?: Record<string, string>;

  @ApiPropertyOptional({ type: 'integer' })
  bodyBytes?: number;

  @ApiPropertyOptional({
    description: 'False if the body was too long and only its beginning was read.',
  })
  bodyComplete?: boolean;

  @ApiPropertyOptional()
  bodySha256?: string;

  @ApiPropertyOptional({ description: 'The beginning of the body, redacted.' })
  bodySample?: string;

  @ApiPropertyOptional({ description: 'The hash of the encrypted raw request for a re-check.' })
  originalSha256?: string;

  @ApiPropertyOptional({ description: 'Whether a re-check is possible.' })
  recheckable?: boolean;

  @ApiPropertyOptional({ type: 'integer', description: 'For `counted`: the number of refusals.' })
  count?: number;

  @ApiPropertyOptional({ format: 'date-time' })
  firstAt?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  lastAt?: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'For `counted`: the number of refusals by address.',
  })
  addresses?: Record<string, number>;
}

export class RefusalPageDto {
  @ApiProperty({ type: [RefusalDto] })
  refusals!: RefusalDto[];

  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}

export class RefusalSummaryDto {
  @ApiProperty({ type: 'integer', description: 'The exact sum of `stored` and `counted`.' })
  total!: number;

  @ApiProperty({ type: 'integer', description: 'Refusals with an entry of their own.' })
  stored!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Refusals that were only counted, because they arrived too fast.',
  })
  counted!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Accepted callbacks that a guard in mode `observe` would have refused.',
  })
  observed!: number;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  byCause!: Record<string, number>;
}

export class RecheckDto {
  @ApiProperty({ type: 'integer', description: 'Refusals that were checked again.' })
  checked!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Of `checked`, the callbacks that the current settings accept.',
  })
  wouldPass!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Of `checked`, the callbacks that the current settings refuse.',
  })
  stillRefused!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Matching refusals without a raw request: only counted, or past their retention.',
  })
  notKept!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Refusals whose raw request is encrypted with a missing key.',
  })
  keyMissing!: number;

  @ApiProperty({ type: [String], description: 'The ids of keys that are missing in `AUDIT_KEYS`.' })
  missingKeys!: readonly string[];

  @ApiProperty({
    type: 'integer',
    description: 'Refusals whose raw request was changed.',
  })
  unreadable!: number;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  stillRefusedBy!: Record<string, number>;

  @ApiProperty({ type: 'integer', description: 'Jobs of the callbacks that would pass.' })
  jobsTotal!: number;

  @ApiProperty({ type: 'integer', description: 'Of `jobsTotal`, the jobs that have not ended.' })
  jobsOpen!: number;

  @ApiProperty({ type: [String], description: 'The ids of the first 1,000 jobs.' })
  jobs!: string[];

  @ApiProperty({ description: 'False if more refusals matched than one re-check covers.' })
  complete!: boolean;
}

export class AcceptDto extends RecheckDto {
  @ApiProperty({ type: 'integer', description: 'Jobs that the gateway polls now.' })
  polling!: number;
}

export class VerificationDto {
  @ApiProperty()
  ok!: boolean;

  @ApiProperty({
    enum: ['intact', 'changed', 'unverifiable'],
    description: '`unverifiable`: no tampering was found, but a key is missing.',
  })
  state!: 'intact' | 'changed' | 'unverifiable';

  @ApiProperty({ type: 'integer', description: 'The number of verified entries.' })
  rows!: number;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The first entry that is changed, missing, or forged.',
  })
  firstBroken!: string | null;

  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The newest entry as one word; pass it as `since` in a later verification.',
  })
  head!: string | null;
}

export class ActionDto {
  @ApiProperty()
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ type: String, example: 'refusals.accept' })
  action!: unknown;

  @ApiProperty({
    type: String,
    enum: ['started', 'done', 'failed'],
    description: '`started`: recorded before the action; a second entry has the outcome.',
  })
  state!: unknown;

  @ApiProperty({ type: String, nullable: true, description: 'Why it failed.' })
  reason!: unknown;

  @ApiProperty({ type: String, nullable: true, description: 'The id of the entry `started`.' })
  intent!: unknown;

  @ApiProperty({ type: 'object', additionalProperties: true })
  actor!: unknown;

  @ApiProperty({ type: 'object', additionalProperties: true })
  detail!: unknown;
}

export class ActionPageDto {
  @ApiProperty({ type: [ActionDto] })
  actions!: ActionDto[];

  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}

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

export function toActionPageDto(entries: readonly AuditEntry[], limit: number): ActionPageDto {
  const page = entries.slice(0, limit);
  return {
    actions: page.map(({ id, at, data }) => ({
      id,
      at: at.toISOString(),
      action: data['action'],
      state: data['state'] ?? 'done',
      reason: data['reason'] ?? null,
      intent: data['intent'] ?? null,
      actor: data['actor'],
      detail: data['detail'],
    })),
    nextCursor: entries.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}

export function toRecheckDto({ jobs, ...counts }: Recheck): RecheckDto {
  const open = [...jobs.values()].filter(({ job }) => !isTerminal(job.status));
  return {
    ...counts,
    jobsTotal: jobs.size,
    jobsOpen: open.length,
    jobs: [...jobs.keys()].slice(0, MAX_JOBS_SHOWN),
  };
}
