import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { AlertQueries, type Alert } from '../alerts/alert-queries.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** Admin actions on alerts, recorded in the audit. */
@Injectable()
export class AdminAlerts {
  constructor(
    private readonly alerts: AlertQueries,
    private readonly actions: AdminActions,
  ) {}

  /** Throws `alert_not_found`. */
  async acknowledge(actor: Actor, id: string): Promise<Alert> {
    return this.actions.transact(actor, 'alert.acknowledge', { alert: id }, async (manager) => {
      const alert = isUUID(id)
        ? await this.alerts.acknowledge(manager, id, actor.service)
        : undefined;
      if (alert === undefined) throw new GatewayError('alert_not_found');
      return { result: alert, detail: { kind: alert.kind } };
    });
  }
}
