import { Injectable } from '@nestjs/common';
import { RecentRefusals, type RecentRefusal } from '../audit/recent-refusals.js';
import { AwaitingCallbackService, type AssertedJob } from '../jobs/awaiting-callback.service.js';
import { Settings } from '../platform/config/settings.js';
import { AcceptedCallbacks } from '../webhooks/accepted-callbacks.js';
import { AlertsStore } from './alerts.store.js';
import { assertedIds, toRefusalEvidence } from './evidence.js';
import type { Installed, DetectionInput } from './detection-input.js';

/** Maximum audit entries that a sweep reads. */
const MAX_ENTRIES = 5000;

/** Reads the input of the detection; the read is bounded also in a flood. */
@Injectable()
export class DetectionInputReader {
  private readonly installed: Installed;

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
    const named = await this.named(refusals);
    const served = await this.callbacks.findAccepted(named.map(({ id }) => id));
    const senders = await this.callbacks.findSenders();
    const accepted = await this.callbacks.countAccepted();
    const waitingJobs = await this.awaitingCallback.countJobs();
    const { open, closed } = await this.store.standing();
    const evidence = toRefusalEvidence(refusals, { named, served, senders, now: accepted.now });
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

  private async named(refusals: readonly RecentRefusal[]): Promise<AssertedJob[]> {
    const claims = refusals.map(assertedIds);
    const ids = new Set(claims.flatMap((claim) => claim.ids));
    const upstreamIds = new Set(claims.flatMap((claim) => claim.upstreamIds));
    return ids.size + upstreamIds.size === 0
      ? []
      : this.awaitingCallback.findJobs([...ids], [...upstreamIds]);
  }
}
