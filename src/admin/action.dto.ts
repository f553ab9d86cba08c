import { ApiProperty } from '@nestjs/swagger';
import type { AuditEntry } from '../audit/audit-queries.js';

/** An admin action in the audit. */
export class ActionDto {
  id!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ type: String, example: 'refusals.accept' })
  action!: unknown;

  /** `started`: recorded before the action; a second entry has the outcome. */
  @ApiProperty({ type: String, enum: ['started', 'done', 'failed'] })
  state!: unknown;

  /** Why it failed. */
  @ApiProperty({ type: String, nullable: true })
  reason!: unknown;

  /** The id of the entry `started`. */
  @ApiProperty({ type: String, nullable: true })
  intent!: unknown;

  @ApiProperty({ type: 'object', additionalProperties: true })
  actor!: unknown;

  @ApiProperty({ type: 'object', additionalProperties: true })
  detail!: unknown;
}

export class ActionPageDto {
  actions!: ActionDto[];
  nextCursor!: string | null;
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
