import { Injectable } from '@nestjs/common';
import { KIND_OF_CAUSE, onlyInforms, type AlertKind } from '../alerts/alert-kinds.js';
import { AlertReads, type Alert } from '../alerts/alert-reads.js';
import { REFUSAL_CAUSES } from '../audit/refusal.js';
import { link } from './page.js';

/** An alert as the console shows it. */
export interface ShownAlert {
  readonly id: string;
  readonly message: string;
  readonly advice: string;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
  /** Nothing of ours is wrong. */
  readonly onlyInforms: boolean;
  readonly fixed: boolean;
  readonly acknowledgedAt: Date | null;
  readonly acknowledgedBy: string | null;
  /** The refusals that it is about. */
  readonly refusals: string;
}

/** The alert is raised some time after the first of its refusals. */
const BEFORE_MILLISECONDS = 3_600_000;

@Injectable()
export class OpenAlerts {
  constructor(private readonly alerts: AlertReads) {}

  async list(): Promise<ShownAlert[]> {
    return (await this.alerts.openAlerts()).map(shown);
  }

  async recent(limit: number): Promise<ShownAlert[]> {
    return (await this.alerts.recent(limit)).map(shown);
  }
}

function shown(alert: Alert): ShownAlert {
  const { id, kind, message, advice, figures, openedAt, closedAt } = alert;
  const from = new Date(openedAt.getTime() - BEFORE_MILLISECONDS).toISOString();
  const cause = mainCause(kind, figures.causes);
  const refusals = link('/admin/refusals', { cause, from, to: closedAt?.toISOString() });
  const informs = onlyInforms(kind);
  return {
    id,
    message,
    advice,
    openedAt,
    closedAt,
    onlyInforms: informs,
    fixed: alert.fixedSince !== null,
    acknowledgedAt: alert.acknowledgedAt,
    acknowledgedBy: alert.acknowledgedBy,
    refusals,
  };
}

/** A list has one cause: the one that most of the refusals have. An attack has many. */
function mainCause(kind: AlertKind, causes: Readonly<Record<string, number>>): string | undefined {
  if (kind === 'attack') return undefined;
  const ofKind = REFUSAL_CAUSES.filter((cause) => KIND_OF_CAUSE[cause] === kind);
  return ofKind.toSorted((one, other) => (causes[other] ?? 0) - (causes[one] ?? 0))[0];
}
