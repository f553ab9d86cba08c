import { Dispatcher } from 'undici';
import { VirtualClock } from '../clock.js';
import { DeliveryLog } from './deliveries.js';
import { PlatformState } from '../faults/platform-switches.js';
import { signedHeadersFor } from './svix-signature.js';
import { WebhookMessage } from './webhook-message.js';
import { postOnce, PostOutcome, succeeded } from './webhook-post.js';

/** The minimum delay of the open-source server after a timeout or a 429. */
const MIN_SLOW_DOWN_MS = 60_000;

/**
 * Svix mode, with one endpoint: signed, eight attempts over about 27.6 h, with the same id. It has no
 * jitter (the open-source server has 20%), so that tests know when the next attempt is due.
 */
export class SvixWebhooks {
  #failingSince: number | undefined;

  constructor(
    private readonly clock: VirtualClock,
    private readonly platform: PlatformState,
    private readonly log: DeliveryLog,
    private readonly dispatcher: Dispatcher,
  ) {}

  async send(message: WebhookMessage, channels: readonly string[] | undefined): Promise<void> {
    const refusal = this.#refusal(channels);
    if (refusal === undefined) return this.#attempt(message, 1);
    this.#record(message, 0, {}, refusal);
  }

  reset(): void {
    this.#failingSince = undefined;
  }

  /**
   * The reason not to send a message, if any. Svix does not send a message without channels to an
   * endpoint that has channels.
   */
  #refusal(channels: readonly string[] | undefined): string | undefined {
    const { svixUrl, svixEnabled, svixChannels } = this.platform.current;
    if (svixUrl === null) return 'not sent: no endpoint';
    if (!svixEnabled) return 'not sent: Svix is not available or the endpoint is disabled';
    const matches =
      svixChannels.length === 0 || svixChannels.some((one) => channels?.includes(one));
    return matches ? undefined : 'not sent: no channel in common';
  }

  async #attempt(message: WebhookMessage, attempt: number): Promise<void> {
    const platform = this.platform.current;
    if (platform.svixUrl === null || !platform.svixEnabled) return;
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Svix-Webhooks/1.62.0 (sandbox)',
      ...signedHeadersFor(
        message.job.sim.webhook?.signature,
        platform,
        message.id,
        message.signedBody,
      ),
    };
    const { svixUrl, svixTimeoutMs } = platform;
    const { sentBody } = message;
    const sentAt = this.clock.now();
    const outcome = await postOnce(this.dispatcher, svixUrl, headers, sentBody, svixTimeoutMs);
    this.#record(message, attempt, headers, outcome, sentAt);
    const control = outcome.headers['webhook-delivery'];
    if (control === 'disable') this.platform.set({ svixEnabled: false });
    this.#recordHealth(outcome);
    if (succeeded(outcome) || control !== undefined) return;
    const delay = nextDelay(platform.svixRetryDelaysMs[attempt - 1], outcome);
    if (delay !== undefined) {
      this.clock.after(delay, () => this.#attempt(message, attempt + 1));
    }
  }

  /** Svix disables an endpoint that has failed for five days; later messages are not sent. */
  #recordHealth(outcome: PostOutcome): void {
    if (succeeded(outcome)) {
      this.#failingSince = undefined;
      return;
    }
    const now = this.clock.now();
    this.#failingSince ??= now;
    if (now - this.#failingSince >= this.platform.current.svixDisableAfterMs) {
      this.platform.set({ svixEnabled: false });
    }
  }

  #record(
    message: WebhookMessage,
    attempt: number,
    headers: Record<string, string>,
    outcome: PostOutcome | string,
    sentAt = this.clock.now(),
  ): void {
    const response = typeof outcome === 'string' ? { status: null, error: outcome } : outcome;
    this.log.record({
      jobId: message.job.id,
      mode: 'svix',
      messageId: message.id,
      attempt,
      url: this.platform.current.svixUrl ?? '',
      headers,
      body: message.sentBody,
      sentAt,
      durationMs: typeof outcome === 'string' ? 0 : outcome.durationMs,
      status: response.status,
      error: response.error,
    });
  }
}

/** `Retry-After` is bounded to one to two times the scheduled delay; `undefined`: no further attempt. */
function nextDelay(scheduled: number | undefined, outcome: PostOutcome): number | undefined {
  if (scheduled === undefined) return undefined;
  const slowDown = outcome.status === null || outcome.status === 429 ? MIN_SLOW_DOWN_MS : 0;
  const base = Math.max(scheduled, slowDown);
  const retryAfter = Number(outcome.headers['retry-after'] ?? 0) * 1_000;
  return Number.isFinite(retryAfter) ? Math.min(Math.max(base, retryAfter), 2 * base) : base;
}
