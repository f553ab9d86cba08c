import { Injectable } from '@nestjs/common';
import { RecentRefusals, type RecentRefusal } from '../audit/recent-refusals.js';
import { AwaitingCallbackService, type AssertedJob } from '../jobs/awaiting-callback.service.js';
import { Settings } from '../platform/config/settings.js';
import { AcceptedCallbacks } from '../webhooks/accepted-callbacks.js';
import { AlertsStore } from './alerts.store.js';
import { assertedIds, toRefusalEvidence } from './evidence.js';
import type { InstalledSettings, DetectionInput } from './detection-input.js';

/** Maximum audit entries that a sweep reads. */
const MAX_ENTRIES = 5000;

/** Reads the input of the detection. A flood does not make the read larger. */
@Injectable()
export class DetectionInputReader {
  private readonly installed: InstalledSettings;

  constructor(
    settings: Settings,
    private readonly refusals: RecentRefusals,
    private readonly awaitingCallback: AwaitingCallbackService,
    private readonly callbacks: AcceptedCallbacks,
    private readonly store: AlertsStore,
  ) {
    this.installed = {
      webhookMode: settings.WEBHOOK_MODE,
      tokenKeys: (settings.TOKEN_KEYS ?? []).map(({ version }) => version),
      svixSecrets: settings.SVIX_SECRETS.length,
      webhookMaxBytes: settings.WEBHOOK_MAX_BYTES,
    };
  }

  async readInput(): Promise<DetectionInput> {
    // Refusals are read first, so that callbacks accepted meanwhile count for their jobs.
    const refusals = await this.refusals.listRefusals(MAX_ENTRIES);
    const totals = await this.refusals.countRefusals();
    const jobs = await this.findAssertedJobs(refusals);
    const jobsWithCallback = await this.callbacks.findAccepted(jobs.map(({ id }) => id));
    const senders = await this.callbacks.findSenders();
    const accepted = await this.callbacks.countAccepted();
    const waitingJobs = await this.awaitingCallback.countJobs();
    const { open, closed } = await this.store.readKinds();
    const evidence = toRefusalEvidence(refusals, {
      jobs,
      jobsWithCallback,
      senders,
      now: accepted.now,
    });
    const { installed } = this;
    return {
      now: accepted.now,
      refusals: evidence,
      totals,
      accepted,
      waitingJobs,
      open,
      closed,
      installed,
    };
  }

  private async findAssertedJobs(refusals: readonly RecentRefusal[]): Promise<AssertedJob[]> {
    const asserted = refusals.map(assertedIds);
    const ids = new Set(asserted.flatMap((each) => each.ids));
    const upstreamIds = new Set(asserted.flatMap((each) => each.upstreamIds));
    return ids.size + upstreamIds.size === 0
      ? []
      : this.awaitingCallback.findJobs([...ids], [...upstreamIds]);
  }
}
