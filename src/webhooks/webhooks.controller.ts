import { All, Controller, HttpCode, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { CallbackRefusedFilter } from './guards/callback-refused.filter.js';
import { CallbackSecretGuard } from './guards/callback-secret.guard.js';
import { CurrentCallback } from './guards/current-callback.decorator.js';
import { KnownJobGuard } from './guards/known-job.guard.js';
import type { ReceivedCallback } from './guards/received-callback.js';
import { SourceIpGuard } from './guards/source-ip.guard.js';
import { WellFormedGuard } from './guards/well-formed.guard.js';
import { CallbackInbox } from './receiving/callback-inbox.js';
import { CallbackMetrics } from './receiving/callback.metrics.js';
import { MismatchedCallbacks } from './receiving/mismatched-callbacks.js';
import { ObservedRefusals } from './receiving/observed-refusals.js';

/** Receives the callbacks of Reducto. The guards run in this order, cheap ones first. */
@Controller('webhooks/reducto')
@ApiExcludeController()
@UseGuards(SourceIpGuard, WellFormedGuard, CallbackSecretGuard, KnownJobGuard)
@UseFilters(CallbackRefusedFilter)
export class WebhooksController {
  constructor(
    private readonly inbox: CallbackInbox,
    private readonly metrics: CallbackMetrics,
    private readonly observed: ObservedRefusals,
    private readonly mismatches: MismatchedCallbacks,
  ) {}

  /** Accepts every method, so that a guard refuses wrong ones and the audit records them. */
  @All()
  @HttpCode(200)
  async receive(@CurrentCallback() callback: ReceivedCallback): Promise<{ received: true }> {
    const { job } = callback;
    if (job !== undefined) {
      await this.inbox.storeCallback(job, callback);
      this.metrics.countAccepted(callback.provedBy);
    } else {
      await this.mismatches.discardUpstream(callback);
    }
    this.observed.recordObserved(callback);
    return { received: true };
  }
}
