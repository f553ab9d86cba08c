import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AlertsStore, type Alert, type RecentAlerts } from './alerts.store.js';
import { currentAdvice } from './alert-messages.js';

export type { Alert, AlertState } from './alerts.store.js';

/** The alerts, for whoever shows or acknowledges them; usable in every process. */
@Injectable()
export class AlertQueries {
  constructor(private readonly store: AlertsStore) {}

  /** The oldest first. */
  async openAlerts(): Promise<Alert[]> {
    return (await this.store.listOpen()).map(advised);
  }

  /** The newest first. */
  async recent(limit: number, which: RecentAlerts = {}): Promise<Alert[]> {
    return (await this.store.listRecent(limit, which)).map(advised);
  }

  /** `undefined`: no such alert. */
  async acknowledge(manager: EntityManager, id: string, by: string): Promise<Alert | undefined> {
    const alert = await this.store.acknowledgeAlert(manager, id, by);
    return alert === undefined ? undefined : advised(alert);
  }
}

function advised(alert: Alert): Alert {
  return { ...alert, advice: currentAdvice(alert) };
}
