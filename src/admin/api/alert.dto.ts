import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, IsUUID } from 'class-validator';
import {
  ALERT_KINDS,
  SEVERITIES,
  severityOf,
  type AlertKind,
  type Severity,
} from '../../alerts/alert-kinds.js';
import { refusalsOf, type AlertRefusals } from '../../alerts/alert-refusals.js';
import type { Alert, AlertState } from '../../alerts/alert-queries.js';
import { REFUSAL_CAUSES, type RefusalCause } from '../../audit/refusal.js';
import { IsWholeNumber } from '../../platform/http/whole-number.js';

export class AlertsQuery {
  @IsOptional()
  @IsIn(['open', 'closed'])
  state?: AlertState;

  /** `nextCursor` of the previous page. */
  @IsOptional()
  @IsUUID()
  cursor?: string;

  @IsOptional()
  @IsWholeNumber(1, 200)
  limit: number = 50;
}

class AlertRefusalsDto {
  @ApiProperty({ enum: REFUSAL_CAUSES })
  cause?: RefusalCause;

  from!: Date;
  to?: Date;
}

export class AlertDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ enum: ALERT_KINDS })
  kind!: AlertKind;

  /** `warning`: a service has to act. `info`: nothing has to be changed. */
  @ApiProperty({ enum: SEVERITIES })
  severity!: Severity;

  /** What is probably wrong. */
  message!: string;

  /** The remedy, or since when the problem seems fixed. */
  advice!: string;

  openedAt!: Date;

  /** When a callback or the API key was last refused, or the audit or endpoints were last found as described. */
  lastSeenAt!: Date;

  closedAt!: Date | null;

  /** Since when the settings would accept the refused callbacks of the alert; null if they would not. */
  fixedSince!: Date | null;

  acknowledgedAt!: Date | null;

  /** The service of the API key with which it was acknowledged. */
  acknowledgedBy!: string | null;

  /** The filter of `GET /v1/admin/refusals` for the callbacks of the alert; null for another alert. */
  refusals!: AlertRefusalsDto | null;
}

export class AlertPageDto {
  alerts!: AlertDto[];

  /** Pass it as `cursor` to get the next page; null on the last page. */
  nextCursor!: string | null;
}

export function toAlertDto(alert: Alert): AlertDto {
  const { id, kind, message, advice, openedAt, lastSeenAt, closedAt } = alert;
  const { fixedSince, acknowledgedAt, acknowledgedBy } = alert;
  return {
    id,
    kind,
    severity: severityOf(kind),
    message,
    advice,
    openedAt,
    lastSeenAt,
    closedAt,
    fixedSince,
    acknowledgedAt,
    acknowledgedBy,
    refusals: toAlertRefusalsDto(refusalsOf(alert)),
  };
}

function toAlertRefusalsDto(refusals: AlertRefusals | undefined): AlertRefusalsDto | null {
  if (refusals === undefined) return null;
  const { cause, from, to } = refusals;
  return { ...(cause && { cause }), from, ...(to && { to }) };
}

/** @param alerts one more than `limit` if there is a next page */
export function toAlertPageDto(alerts: readonly Alert[], limit: number): AlertPageDto {
  const page = alerts.slice(0, limit).map(toAlertDto);
  return { alerts: page, nextCursor: alerts.length > limit ? (page.at(-1)?.id ?? null) : null };
}
