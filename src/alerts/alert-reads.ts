import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AlertsStore, type Alert } from './alerts.store.js';
import { currentAdvice } from './wording.js';

export type { Alert } from './alerts.store.js';

/** The alerts, for whoever shows or acknowledges them; usable in every process. */
@Injectable()
export class AlertReads {
  constructor(private readonly store: AlertsStore) {}

  /** The oldest first. */
  async openAlerts(): Promise<Alert[]> {
    return (await this.store.open()).map(advised);
  }

  /** Open and closed ones, the newest first, after the alert `cursor`. */
  async recent(limit: number, cursor?: string): Promise<Alert[]> {
    return (await this.store.recent(limit, cursor)).map(advised);
  }

  /** `undefined`: no such alert. */
  async acknowledge(manager: EntityManager, id: string, by: string): Promise<Alert | undefined> {
    const alert = await this.store.acknowledge(manager, id, by);
    return alert === undefined ? undefined : advised(alert);
  }
}

function advised(alert: Alert): Alert {
  return { ...alert, advice: currentAdvice(alert) };
}
