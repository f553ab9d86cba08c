import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { isTerminal } from '../jobs/job-status.js';
import type { Recheck } from './recheck.js';
import type { AuditEntry, RefusalSummary } from '../audit/audit-queries.js';
import { GUARDS, REFUSAL_CAUSES, type Verdicts } from '../audit/refusal.js';

/** Ids of jobs that one answer lists; the counts are of all. */
const MAX_JOBS_SHOWN = 1000;

/** One refusal, or a count of many. Everything in it that came from outside is redacted and printable. */
export class RefusalDto {
  @ApiProperty({ description: 'Its place in the chain.' })
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({
    enum: ['refused', 'observed', 'counted'],
    description: '`counted`: so many, too fast to be kept one by one.',
  })
  kind!: string;

  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause!: string;

  @ApiProperty({ enum: GUARDS })
  guard!: string;

  @ApiPropertyOptional({ type: 'integer', description: 'What was answered.' })
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
        detail: { type: 'string', description: 'Which key or secret was tried.' },
      },
    },
    description: 'What every guard found.',
  })
  verdicts?: Verdicts;

  @ApiPropertyOptional({ description: 'Who spoke to the gateway.' })
  peerAddress?: string;

  @ApiPropertyOptional({ description: 'Who that spoke for, as far as trusted proxies tell.' })
  clientAddress?: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description: '`X-Forwarded-For` as it came.',
  })
  forwardedFor?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  assertedJobId?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  assertedUpstreamId?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description: 'The job of this gateway that it names.',
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

  @ApiPropertyOptional({ description: 'False where it was longer than allowed and not read on.' })
  bodyComplete?: boolean;

  @ApiPropertyOptional()
  bodySha256?: string;

  @ApiPropertyOptional({ description: 'The beginning, without secrets.' })
  bodySample?: string;

  @ApiPropertyOptional({ description: 'Of the encrypted original that a re-check needs.' })
  originalSha256?: string;

  @ApiPropertyOptional({ description: 'Whether it can be checked again.' })
  recheckable?: boolean;

  @ApiPropertyOptional({ type: 'integer', description: 'Of a count: how many.' })
  count?: number;

  @ApiPropertyOptional({ format: 'date-time' })
  firstAt?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  lastAt?: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'integer' },
    description: 'Of a count: how many from each address.',
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
  @ApiProperty({ type: 'integer', description: 'Exact: stored and counted.' })
  total!: number;

  @ApiProperty({ type: 'integer', description: 'Kept one by one.' })
  stored!: number;

  @ApiProperty({ type: 'integer', description: 'Only counted, because they came too fast.' })
  counted!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Taken, but a guard that only observes would have refused them.',
  })
  observed!: number;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  byCause!: Record<string, number>;
}

export class RecheckDto {
  @ApiProperty({ type: 'integer', description: 'Refusals that could be checked again.' })
  checked!: number;

  @ApiProperty({ type: 'integer', description: 'Of these, how many today’s guards would take.' })
  wouldPass!: number;

  @ApiProperty({ type: 'integer', description: 'And how many they would refuse again.' })
  stillRefused!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Matching refusals that are not kept: only counted, or their time is over.',
  })
  notKept!: number;

  @ApiProperty({
    type: 'integer',
    description: 'Kept, but they cannot be read: the key that they are sealed with is missing.',
  })
  keyMissing!: number;

  @ApiProperty({ type: [String], description: 'The ids of the keys that `AUDIT_KEYS` lacks.' })
  missingKeys!: readonly string[];

  @ApiProperty({
    type: 'integer',
    description: 'Kept, but not as they were sealed: somebody changed them.',
  })
  unreadable!: number;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' } })
  stillRefusedBy!: Record<string, number>;

  @ApiProperty({ type: 'integer', description: 'Jobs of those that would pass.' })
  jobsTotal!: number;

  @ApiProperty({ type: 'integer', description: 'Of these, the ones that have not ended.' })
  jobsOpen!: number;

  @ApiProperty({ type: [String], description: 'The first thousand of them.' })
  jobs!: string[];

  @ApiProperty({ description: 'False where there were more than could be checked at once.' })
  complete!: boolean;
}

export class AcceptDto extends RecheckDto {
  @ApiProperty({ type: 'integer', description: 'Jobs that are looked at now.' })
  polling!: number;
}

export class VerificationDto {
  @ApiProperty()
  ok!: boolean;

  @ApiProperty({
    enum: ['intact', 'changed', 'unverifiable'],
    description: '`unverifiable`: nothing changed was found, but a key is missing.',
  })
  state!: 'intact' | 'changed' | 'unverifiable';

  @ApiProperty({ type: 'integer', description: 'Entries that were read.' })
  rows!: number;

  @ApiProperty({ type: String, nullable: true, description: 'The first entry that is not right.' })
  firstBroken!: string | null;

  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The newest entry as one word: keep it, and pass it as `since` later.',
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
    description: '`started`: recorded before; a second entry says how it ended.',
  })
  state!: unknown;

  @ApiProperty({ type: String, nullable: true, description: 'Why it failed.' })
  reason!: unknown;

  @ApiProperty({ type: String, nullable: true, description: 'The entry that says `started`.' })
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

export function toRefusalDto({ id, at, kind, data, sealed }: AuditEntry): RefusalDto {
  const { cause = '', guard = '', ...rest } = data as Partial<RefusalDto>;
  return {
    id,
    at: at.toISOString(),
    kind,
    cause,
    guard,
    ...rest,
    ...(kind === 'counted' ? {} : { recheckable: sealed }),
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
