import { Agent } from 'undici';
import { VirtualClock } from '../clock.js';
import { DeliveryLog } from './deliveries.js';
import { DirectWebhooks } from './direct-webhooks.js';
import { Job } from '../jobs/job.js';
import { JobTransitionListener } from '../jobs/job-runner.js';
import { PlatformState } from '../faults/platform-switches.js';
import { SvixWebhooks } from './svix-webhooks.js';
import { messagesFor, WebhookMessage } from './webhook-message.js';

const MINUTE_MS = 60_000;

/** Schedules the callback of a job and selects its sender. */
export class Webhooks implements JobTransitionListener {
  readonly agent = new Agent();
  readonly #direct: DirectWebhooks;
  readonly #svix: SvixWebhooks;

  constructor(
    private readonly clock: VirtualClock,
    private readonly platform: PlatformState,
    log: DeliveryLog,
  ) {
    this.#direct = new DirectWebhooks(clock, platform, log, this.agent);
    this.#svix = new SvixWebhooks(clock, platform, log, this.agent);
  }

  completing(job: Job): void {
    // A race of the real platform: the callback precedes the status in GET /job.
    if (job.sim.webhook?.send === 'early') this.#schedule(job, 0, 'Completed');
  }

  ended(job: Job): void {
    const send = job.sim.webhook?.send ?? 'normal';
    if (send === 'never' || (send === 'early' && job.status === 'Completed')) return;
    // Whether the real platform sends a callback for a cancelled job is UNKNOWN.
    if (job.status === 'Cancelled' && !this.platform.current.cancelWebhook) return;
    this.#schedule(job, send === 'afterExpiry' ? this.#untilExpired(job) : this.#usualDelay(job));
  }

  /** Sends the callback of `job` again. */
  async sendNow(job: Job, status?: string): Promise<void> {
    const shown = status === undefined ? job : withStatus(job, status);
    await Promise.all(messagesFor(shown).map((message) => this.#send(message)));
  }

  reset(): void {
    this.#svix.reset();
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  #schedule(job: Job, delayMs: number, status?: string): void {
    if (job.webhook) this.clock.after(delayMs, () => this.sendNow(job, status));
  }

  #usualDelay(job: Job): number {
    return job.sim.webhookDelayMs ?? this.platform.current.webhookDelayMs;
  }

  #untilExpired(job: Job): number {
    const expiresAt = job.createdAt + this.platform.current.retentionMinutes * MINUTE_MS;
    return expiresAt + 1_000 - this.clock.now();
  }

  async #send(message: WebhookMessage): Promise<void> {
    const target = message.job.webhook;
    if (!target) return;
    if (target.mode === 'direct') await this.#direct.send(message, target.url);
    else await this.#svix.send(message, target.channels);
  }
}

/** A copy of the job that sends `status`, unless its switches set one. */
function withStatus(job: Job, status: string): Job {
  return { ...job, sim: { ...job.sim, webhook: { status, ...job.sim.webhook } } };
}
