import { All, Controller, HttpCode, Req, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CallbackMetrics } from './receiving/callback.metrics.js';
import { CallbackChecks } from './callback-checks.js';
import { CallbackRefusedFilter } from './guards/callback-refused.filter.js';
import { CallbackSecretGuard } from './guards/callback-secret.guard.js';
import { KnownJobGuard } from './guards/known-job.guard.js';
import { ObservedRefusals } from './receiving/observed-refusals.js';
import { callbackOf } from './guards/received-callback.js';
import { SourceIpGuard } from './guards/source-ip.guard.js';
import { WellFormedGuard } from './guards/well-formed.guard.js';

/** Where Reducto calls back. The guards stand in the order in which they are asked: cheap ones first. */
@Controller('webhooks/reducto')
@ApiExcludeController()
@UseGuards(SourceIpGuard, WellFormedGuard, CallbackSecretGuard, KnownJobGuard)
@UseFilters(CallbackRefusedFilter)
export class WebhooksController {
  constructor(
    private readonly checks: CallbackChecks,
    private readonly observed: ObservedRefusals,
    private readonly metrics: CallbackMetrics,
  ) {}

  /**
   * What comes here has passed the guards, and the last of them has stored it. All methods, so that a wrong one is
   * refused by a guard, and recorded like everything else.
   */
  @All()
  @HttpCode(200)
  receive(@Req() request: FastifyRequest): { received: true } {
    const callback = callbackOf(request, this.checks);
    this.metrics.recordAccepted(callback);
    this.observed.recordObserved(callback);
    return { received: true };
  }
}
