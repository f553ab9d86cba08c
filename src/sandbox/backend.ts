import { VirtualClock } from './clock.js';
import { DeliveryLog } from './webhooks/deliveries.js';
import { DocumentReader } from './jobs/document-reader.js';
import { FaultRules } from './jobs/fault-rules.js';
import { JobRunner } from './jobs/job-runner.js';
import { JobStore } from './jobs/job-store.js';
import { Links } from './jobs/links.js';
import { PlatformSettings, PlatformState } from './faults/platform-switches.js';
import { UploadStore } from './documents/upload-store.js';
import { Webhooks } from './webhooks/webhooks.js';

export interface BackendOptions {
  apiKeys: readonly string[];
  /** Base URL of the links in responses; default: the host that the caller used. */
  publicUrl: string | undefined;
  speed: number;
  platform: PlatformSettings;
}

/** The services behind the routes. */
export class Backend {
  readonly clock: VirtualClock;
  readonly platform: PlatformState;
  readonly rules = new FaultRules();
  readonly jobs = new JobStore();
  readonly uploads = new UploadStore();
  readonly deliveries = new DeliveryLog();
  readonly links: Links;
  readonly reader: DocumentReader;
  readonly webhooks: Webhooks;
  readonly runner: JobRunner;

  constructor(readonly options: BackendOptions) {
    const { jobs, uploads } = this;
    const clock = new VirtualClock(options.speed);
    const platform = new PlatformState(options.platform);
    const now = (): number => clock.now();
    this.clock = clock;
    this.platform = platform;
    this.links = new Links(now);
    this.reader = new DocumentReader(uploads, jobs, now);
    this.webhooks = new Webhooks(clock, platform, this.deliveries);
    this.runner = new JobRunner(clock, platform, jobs, this.reader, this.webhooks);
  }

  /** Restores the state after startup, except for uploads. */
  reset(): void {
    this.clock.clear();
    // Marks open jobs as ended, so that pending work does not change them after the reset.
    for (const job of this.jobs.all()) job.endedAt ??= this.clock.now();
    this.jobs.clear();
    this.rules.clear();
    this.deliveries.clear();
    this.runner.reset();
    this.webhooks.reset();
    this.platform.reset();
  }

  async close(): Promise<void> {
    this.clock.clear();
    await this.webhooks.close();
    await this.uploads.close();
  }
}
