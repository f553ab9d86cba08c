import { Injectable } from '@nestjs/common';
import { severityOf, type AlertKind, type Severity } from '../../alerts/alert-kinds.js';
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
  readonly severity: Severity;
  readonly fixed: boolean;
  readonly acknowledgedAt: Date | null;
  readonly acknowledgedBy: string | null;
  /** The page that shows what it is about. */
  readonly page: { readonly href: string; readonly label: string } | undefined;
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
    severity: severityOf(kind),
    fixed: alert.fixedSince !== null,
    acknowledgedAt: alert.acknowledgedAt,
    acknowledgedBy: alert.acknowledgedBy,
    page:
      refusals === undefined
        ? PAGES[kind]
        : { href: refusalsLink(refusals), label: 'Show its refusals' },
  };
}

function refusalsLink({ cause, from, to }: AlertRefusals): string {
  return link('/admin/refusals', { cause, from: from.toISOString(), to: to?.toISOString() });
}

const PAGES: Readonly<Partial<Record<AlertKind, ShownAlert['page']>>> = {
  audit_tampered: { href: '/admin/actions', label: 'Verify the audit' },
  endpoint_failing: { href: '/admin/endpoints?state=failing', label: 'Show the endpoints' },
  endpoint_disabled: { href: '/admin/endpoints?state=disabled', label: 'Show the endpoints' },
  deliveries_overdue: { href: '/admin/events?status=pending', label: 'Show the events' },
};

export function toneOf(severity: Severity): 'bad' | 'warn' {
  return severity === 'critical' ? 'bad' : 'warn';
}
