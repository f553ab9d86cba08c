import { Injectable } from '@nestjs/common';
import { AlertsStore, type Alert } from './alerts.store.js';

export type { Alert } from './alerts.store.js';

/** The alerts, for whoever shows them; usable in every process. */
@Injectable()
export class AlertReads {
  constructor(private readonly store: AlertsStore) {}

  /** The oldest first. */
  openAlerts(): Promise<Alert[]> {
    return this.store.open();
  }

  /** Open and closed ones, the newest first. */
  recent(limit: number): Promise<Alert[]> {
    return this.store.recent(limit);
  }
}
