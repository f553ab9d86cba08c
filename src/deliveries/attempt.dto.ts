import { ApiProperty } from '@nestjs/swagger';
import { IsNumberString, IsOptional, MaxLength } from 'class-validator';
import { IsWholeNumber } from '../platform/http/whole-number.js';
import type { Attempt } from './events.service.js';

export class AttemptsQuery {
  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsNumberString({ no_symbols: true })
  @MaxLength(18)
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 100;
}

export class AttemptDto {
  @ApiProperty({ format: 'uuid' })
  endpointId!: string;

  /** From 1. */
  @ApiProperty({ type: 'integer' })
  attempt!: number;

  at!: Date;

  @ApiProperty({ type: 'integer' })
  durationMs!: number;

  /** HTTP status; null without an answer. */
  @ApiProperty({ type: 'integer', nullable: true })
  status!: number | null;

  /** Why there was no answer; null with an answer. */
  @ApiProperty({ type: String, nullable: true, example: 'connection_refused' })
  errorCode!: string | null;

  /** Why the attempt failed; null if it succeeded. */
  error!: string | null;

  /** Without credentials. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  responseHeaders!: unknown;

  /** Its beginning. */
  responseBody!: string | null;

  /** The worker process. */
  process!: string;
}

export class AttemptPageDto {
  attempts!: AttemptDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

/** @param found one more than `limit` if there is a next page */
export function toAttemptPageDto(found: readonly Attempt[], limit: number): AttemptPageDto {
  const page = found.slice(0, limit);
  return {
    attempts: page.map(({ responseHeaders, ...attempt }) => ({
      endpointId: attempt.endpointId,
      attempt: attempt.attempt,
      at: attempt.at,
      durationMs: attempt.durationMs,
      status: attempt.status,
      errorCode: attempt.errorCode,
      error: attempt.error,
      responseHeaders: responseHeaders === null ? null : JSON.parse(responseHeaders),
      responseBody: attempt.responseBody,
      process: attempt.process,
    })),
    nextCursor: found.length > limit ? (page.at(-1)?.id ?? null) : null,
  };
}
