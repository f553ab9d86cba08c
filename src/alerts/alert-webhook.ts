import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import { Settings } from '../platform/config/settings.js';
import { redact } from '../platform/logging/redaction.js';
import { severityOf } from './alert-kinds.js';
import { AlertsStore, type Alert } from './alerts.store.js';

const TIMEOUT_MILLISECONDS = 5000;
/** Lease of an alert; after it, another process sends the alert. */
const LEASE_SECONDS = 30;
/** Delays after failed attempts; after the last one, the gateway stops. */
const RETRY_SECONDS = [15, 30, 60, 120, 300, 600];

/**
 * Posts each raised alert, signed according to Standard Webhooks. If the answer is lost, the gateway sends it again
 * with the same `webhook-id`.
 */
@Injectable()
export class AlertWebhook implements BeforeApplicationShutdown {
  private readonly logger = new Logger(AlertWebhook.name);
  private readonly target: { url: URL; signer: Webhook } | undefined;
  private readonly stopping = new AbortController();
  private sending: Promise<void> | undefined;

  constructor(
    { ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: secret }: Settings,
    private readonly store: AlertsStore,
  ) {
    if (url !== undefined && secret !== undefined) {
      this.target = { url, signer: new Webhook(secret) };
    }
  }

  /** Sends due alerts in the background. */
  sendDueAlerts(): void {
    this.sending ??= this.sendAll()
      .catch((error: unknown) => this.logger.warn({ msg: 'alerts could not be sent', err: error }))
      .finally(() => (this.sending = undefined));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.sending;
  }

  private async sendAll(): Promise<void> {
    if (this.target === undefined) return;
    while (!this.stopping.signal.aborted) {
      const alert = await this.store.leaseUnsent(LEASE_SECONDS);
      if (alert === undefined) return;
      const failure = await this.post(this.target, alert);
      if (failure === undefined) {
        await this.store.markSent(alert.id);
        continue;
      }
      const retrySeconds = RETRY_SECONDS[alert.attempt - 1] ?? null;
      await this.store.markNotSent(alert.id, retrySeconds);
      this.logger.warn({
        msg: 'an alert could not be sent',
        kind: alert.kind,
        failure,
        retrySeconds,
      });
    }
  }

  /** Returns the error. Follows no redirects, because the body is meant for the configured receiver. */
  private async post(
    { url, signer }: { url: URL; signer: Webhook },
    alert: Alert,
  ): Promise<string | undefined> {
    const body = bodyOf(alert);
    const now = new Date();
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        redirect: 'manual',
        signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(TIMEOUT_MILLISECONDS)]),
        headers: {
          'content-type': 'application/json',
          'webhook-id': alert.id,
          'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
          'webhook-signature': signer.sign(alert.id, now, body),
        },
      });
      await response.body?.cancel();
      return response.ok ? undefined : `it answered ${response.status}`;
    } catch (error) {
      return error instanceof Error ? error.name : 'unknown';
    }
  }
}

function bodyOf({ id, kind, message, advice, evidence, openedAt }: Alert): string {
  const data = { id, kind, severity: severityOf(kind), message, advice, evidence, openedAt };
  return redact(JSON.stringify({ type: 'alert.raised', timestamp: openedAt, data }));
}
