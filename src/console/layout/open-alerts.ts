import { Injectable } from '@nestjs/common';
import { onlyInforms } from '../../alerts/alert-kinds.js';
import { AlertQueries, type Alert } from '../../alerts/alert-queries.js';
import { refusalsOf, type AlertRefusals } from '../../alerts/alert-refusals.js';
import { link } from '../components/page.js';

/** An alert as the console shows it. */
export interface ShownAlert {
  readonly id: string;
  readonly message: string;
  readonly advice: string;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
  /** The gateway works as configured: nothing is to be fixed. */
  readonly onlyInforms: boolean;
  readonly fixed: boolean;
  readonly acknowledgedAt: Date | null;
  readonly acknowledgedBy: string | null;
  /** A link to its refusals; `undefined` for an alert about the audit itself. */
  readonly refusals: string | undefined;
}

@Injectable()
export class OpenAlerts {
  constructor(private readonly alerts: AlertQueries) {}

  async list(): Promise<ShownAlert[]> {
    return (await this.alerts.openAlerts()).map(shown);
  }

  async recent(limit: number): Promise<ShownAlert[]> {
    return (await this.alerts.recent(limit)).map(shown);
  }
}

function shown(alert: Alert): ShownAlert {
  const { id, kind, message, advice, openedAt, closedAt } = alert;
  const refusals = refusalsOf(alert);
  return {
    id,
    message,
    advice,
    openedAt,
    closedAt,
    onlyInforms: onlyInforms(kind),
    fixed: alert.fixedSince !== null,
    acknowledgedAt: alert.acknowledgedAt,
    acknowledgedBy: alert.acknowledgedBy,
    refusals: refusals && refusalsLink(refusals),
  };
}

function refusalsLink({ cause, from, to }: AlertRefusals): string {
  return link('/admin/refusals', { cause, from: from.toISOString(), to: to?.toISOString() });
}
