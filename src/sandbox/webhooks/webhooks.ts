import { Agent } from 'undici';
import { VirtualClock } from '../clock.js';
import { DeliveryLog } from './deliveries.js';
import { DirectWebhooks } from './direct-webhooks.js';
import { Job } from '../jobs/job.js';
import { JobMoments } from '../jobs/job-runner.js';
import { PlatformState } from '../faults/platform-switches.js';
import { SvixWebhooks } from './svix-webhooks.js';
import { messagesFor, WebhookMessage } from './webhook-message.js';

const MINUTE_MS = 60_000;

/** Decides when a job's callback goes out, and through which sender. */
export class Webhooks implements JobMoments {
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
    // The callback says Completed although GET /job does not yet: a race that can really happen.
    if (job.sim.webhook?.send === 'early') this.#plan(job, 0, 'Completed');
  }

  ended(job: Job): void {
    const send = job.sim.webhook?.send ?? 'normal';
    if (send === 'never' || (send === 'early' && job.status === 'Completed')) return;
    // Whether the real platform tells of a cancel is UNKNOWN; no page says so.
    if (job.status === 'Cancelled' && !this.platform.current.cancelWebhook) return;
    this.#plan(job, send === 'afterExpiry' ? this.#untilExpired(job) : this.#usualDelay(job));
  }

  /** Sends the callback of `job` again, whatever has been sent before. */
  async sendNow(job: Job, status?: string): Promise<void> {
    const claimed = status === undefined ? job : claiming(job, status);
    await Promise.all(messagesFor(claimed).map((message) => this.#send(message)));
  }

  reset(): void {
    this.#svix.reset();
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  #plan(job: Job, delayMs: number, status?: string): void {
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

/** The job with another status to tell, unless its switches fix one already. */
function claiming(job: Job, status: string): Job {
  return { ...job, sim: { ...job.sim, webhook: { status, ...job.sim.webhook } } };
}
