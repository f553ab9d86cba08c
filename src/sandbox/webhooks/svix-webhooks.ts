import { Dispatcher } from 'undici';
import { VirtualClock } from '../clock.js';
import { DeliveryLog } from './deliveries.js';
import { PlatformState } from '../faults/platform-switches.js';
import { signedHeadersFor } from './svix-signature.js';
import { WebhookMessage } from './webhook-message.js';
import { postOnce, PostOutcome, succeeded } from './webhook-post.js';

/** After a timeout or a 429 the open-source server waits at least this long. */
const SLOW_DOWN_MS = 60_000;

/**
 * Svix mode, with one endpoint: signed, eight tries over about 27.6 h, same id on every try. No jitter
 * (the open-source server has 20 %), so that a test can say when the next try is due.
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
   * Why a message does not go out. A message without channels does not reach an endpoint that has
   * some: Svix's own rule, and a plausible reason for webhooks that never come.
   */
  #refusal(channels: readonly string[] | undefined): string | undefined {
    const { svixUrl, svixEnabled, svixChannels } = this.platform.current;
    if (svixUrl === null) return 'not sent: no endpoint';
    if (!svixEnabled) return 'not sent: Svix is not available or the endpoint is disabled';
    const wanted = svixChannels.length === 0 || svixChannels.some((one) => channels?.includes(one));
    return wanted ? undefined : 'not sent: no channel in common';
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
    this.#noteHealth(outcome);
    if (succeeded(outcome) || control !== undefined) return;
    const delay = nextDelay(platform.svixRetryDelaysMs[attempt - 1], outcome);
    if (delay !== undefined) {
      this.clock.after(delay, () => this.#attempt(message, attempt + 1));
    }
  }

  /** An endpoint that fails for five days is switched off; every later webhook is lost silently. */
  #noteHealth(outcome: PostOutcome): void {
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
    const answered = typeof outcome === 'string' ? { status: null, error: outcome } : outcome;
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
      status: answered.status,
      error: answered.error,
    });
  }
}

/** `Retry-After` counts between once and twice the planned wait; `undefined` ends the tries. */
function nextDelay(planned: number | undefined, outcome: PostOutcome): number | undefined {
  if (planned === undefined) return undefined;
  const slowDown = outcome.status === null || outcome.status === 429 ? SLOW_DOWN_MS : 0;
  const base = Math.max(planned, slowDown);
  const asked = Number(outcome.headers['retry-after'] ?? 0) * 1_000;
  return Number.isFinite(asked) ? Math.min(Math.max(base, asked), 2 * base) : base;
}
