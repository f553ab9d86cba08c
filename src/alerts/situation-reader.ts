import { Injectable } from '@nestjs/common';
import { RecentRefusals, type RecentRefusal } from '../audit/recent-refusals.js';
import { WaitingJobs, type NamedJob } from '../jobs/waiting-jobs.js';
import { Settings } from '../platform/config/settings.js';
import { AcceptedCallbacks } from '../webhooks/accepted-callbacks.js';
import { AlertsStore } from './alerts.store.js';
import { namedIn, tracesOf } from './traces.js';
import type { Installed, Situation } from './situation.js';

/** Entries of the audit that a pass reads. */
const MOST_ENTRIES = 5000;

/** Gathers what the detector judges by: a bounded read, whatever a flood brings. */
@Injectable()
export class SituationReader {
  private readonly installed: Installed;

  constructor(
    settings: Settings,
    private readonly refusals: RecentRefusals,
    private readonly jobs: WaitingJobs,
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

  async read(): Promise<Situation> {
    // The refusals first: a callback that is accepted meanwhile then counts for its job.
    const refusals = await this.refusals.list(MOST_ENTRIES);
    const totals = await this.refusals.totals();
    const named = await this.named(refusals);
    const served = await this.callbacks.among(named.map(({ id }) => id));
    const senders = await this.callbacks.senders();
    const accepted = await this.callbacks.counts();
    const waitingJobs = await this.jobs.count();
    const { open, closed } = await this.store.standing();
    const traces = tracesOf(refusals, { named, served, senders, now: accepted.now });
    const { installed } = this;
    return { now: accepted.now, traces, totals, accepted, waitingJobs, open, closed, installed };
  }

  private async named(refusals: readonly RecentRefusal[]): Promise<NamedJob[]> {
    const claims = refusals.map(namedIn);
    const ids = new Set(claims.flatMap((claim) => claim.ids));
    const upstreamIds = new Set(claims.flatMap((claim) => claim.upstreamIds));
    return ids.size + upstreamIds.size === 0 ? [] : this.jobs.named([...ids], [...upstreamIds]);
  }
}
