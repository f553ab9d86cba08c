import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import {
  ALERT_KINDS,
  SEVERITIES,
  severityOf,
  type AlertKind,
  type Severity,
} from '../alerts/alert-kinds.js';
import { refusalsOf, type AlertRefusals } from '../alerts/alert-refusals.js';
import type { Alert, AlertState } from '../alerts/alert-queries.js';
import { REFUSAL_CAUSES, type RefusalCause } from '../audit/refusal.js';
import { IsWholeNumber } from '../platform/http/whole-number.js';

export class AlertsQuery {
  @IsOptional()
  @IsIn(['open', 'closed'])
  @ApiPropertyOptional({ enum: ['open', 'closed'] })
  state?: AlertState;

  @IsOptional()
  @IsUUID()
  @ApiPropertyOptional({ description: '`nextCursor` of the previous page.' })
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  limit?: number;
}

class AlertRefusalsDto {
  @ApiPropertyOptional({ enum: REFUSAL_CAUSES })
  cause?: RefusalCause;

  @ApiProperty({ format: 'date-time' })
  from!: string;

  @ApiPropertyOptional({ format: 'date-time' })
  to?: string;
}

export class AlertDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ enum: ALERT_KINDS })
  kind!: AlertKind;

  @ApiProperty({
    enum: SEVERITIES,
    description: '`info`: nothing has to be changed.',
  })
  severity!: Severity;

  @ApiProperty({ description: 'What is probably wrong.' })
  message!: string;

  @ApiProperty({ description: 'The remedy, or since when the problem seems fixed.' })
  advice!: string;

  @ApiProperty({ format: 'date-time' })
  openedAt!: string;

  @ApiProperty({
    format: 'date-time',
    description:
      'When a callback was last refused for this reason, or the audit last found changed.',
  })
  lastSeenAt!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  closedAt!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description:
      'Since when the settings would accept the refused callbacks of the alert; null if they would not.',
  })
  fixedSince!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  acknowledgedAt!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The service of the API key with which it was acknowledged.',
  })
  acknowledgedBy!: string | null;

  @ApiProperty({
    type: AlertRefusalsDto,
    nullable: true,
    description:
      'The filter of `GET /v1/admin/refusals` for the callbacks of the alert; null for an alert about the audit.',
  })
  refusals!: AlertRefusalsDto | null;
}

export class AlertPageDto {
  @ApiProperty({ type: [AlertDto] })
  alerts!: AlertDto[];

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Pass it as `cursor` to get the next page; null on the last page.',
  })
  nextCursor!: string | null;
}

export function toAlertDto(alert: Alert): AlertDto {
  const { id, kind, message, advice, acknowledgedBy } = alert;
  return {
    id,
    kind,
    severity: severityOf(kind),
    message,
    advice,
    openedAt: alert.openedAt.toISOString(),
    lastSeenAt: alert.lastSeenAt.toISOString(),
    closedAt: alert.closedAt?.toISOString() ?? null,
    fixedSince: alert.fixedSince?.toISOString() ?? null,
    acknowledgedAt: alert.acknowledgedAt?.toISOString() ?? null,
    acknowledgedBy,
    refusals: toAlertRefusalsDto(refusalsOf(alert)),
  };
}

function toAlertRefusalsDto(refusals: AlertRefusals | undefined): AlertRefusalsDto | null {
  if (refusals === undefined) return null;
  const { cause, from, to } = refusals;
  return {
    ...(cause === undefined ? {} : { cause }),
    from: from.toISOString(),
    ...(to === undefined ? {} : { to: to.toISOString() }),
  };
}

/** @param alerts one more than `limit` if there is a next page */
export function toAlertPageDto(alerts: readonly Alert[], limit: number): AlertPageDto {
  const page = alerts.slice(0, limit).map(toAlertDto);
  return { alerts: page, nextCursor: alerts.length > limit ? (page.at(-1)?.id ?? null) : null };
}
