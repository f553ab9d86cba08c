import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AlertsStore, type Alert, type RecentAlerts } from './alerts.store.js';
import { currentAdvice } from './alert-messages.js';

export type { Alert, AlertState } from './alerts.store.js';

/** Reads and acknowledges alerts, in processes of every role. */
@Injectable()
export class AlertQueries {
  constructor(private readonly store: AlertsStore) {}

  /** Oldest first. */
  async openAlerts(): Promise<Alert[]> {
    return (await this.store.listOpen()).map(advised);
  }

  /** Newest first. */
  async recent(limit: number, which: RecentAlerts = {}): Promise<Alert[]> {
    return (await this.store.listRecent(limit, which)).map(advised);
  }

  /** Returns `undefined` if the alert does not exist. */
  async acknowledge(manager: EntityManager, id: string, by: string): Promise<Alert | undefined> {
    const alert = await this.store.acknowledgeAlert(manager, id, by);
    return alert === undefined ? undefined : advised(alert);
  }
}

function advised(alert: Alert): Alert {
  return { ...alert, advice: currentAdvice(alert) };
}
