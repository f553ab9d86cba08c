import { Dispatcher } from 'undici';
import { VirtualClock } from '../clock.js';
import { DeliveryLog } from './deliveries.js';
import { PlatformState } from '../faults/platform-switches.js';
import { WebhookMessage } from './webhook-message.js';
import { postOnce, succeeded } from './webhook-post.js';

/**
 * Direct mode: unsigned, best effort, at most three retries. The retries after the first attempt and
 * their delays of 1, 2, and 4 s are INFERRED; the real User-Agent is UNKNOWN.
 */
export class DirectWebhooks {
  constructor(
    private readonly clock: VirtualClock,
    private readonly platform: PlatformState,
    private readonly log: DeliveryLog,
    private readonly dispatcher: Dispatcher,
  ) {}

  send(message: WebhookMessage, url: string): Promise<void> {
    return this.#attempt(message, url, 1);
  }

  async #attempt(message: WebhookMessage, url: string, attempt: number): Promise<void> {
    const { directTimeoutMs, directRetryDelaysMs } = this.platform.current;
    const headers = { 'content-type': 'application/json', 'user-agent': 'Reducto-Webhooks/1.0' };
    const sentAt = this.clock.now();
    const body = message.sentBody;
    const outcome = await postOnce(this.dispatcher, url, headers, body, directTimeoutMs);
    const { status, error, durationMs } = outcome;
    this.log.record({
      jobId: message.job.id,
      mode: 'direct',
      messageId: message.id,
      attempt,
      url,
      headers,
      body,
      sentAt,
      durationMs,
      status,
      error,
    });
    const delay = directRetryDelaysMs[attempt - 1];
    if (succeeded(outcome) || delay === undefined) return;
    this.clock.after(delay, () => this.#attempt(message, url, attempt + 1));
  }
}
