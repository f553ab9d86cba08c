import { All, Controller, HttpCode, Req, UseFilters, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CallbackFigures } from './callback-figures.js';
import { CallbackChecks } from './callback-checks.js';
import { CallbackRefusedFilter } from './callback-refused.filter.js';
import { CallbackSecretGuard } from './callback-secret.guard.js';
import { KnownJobGuard } from './known-job.guard.js';
import { ObservedRefusals } from './observed-refusals.js';
import { callbackOf } from './received-callback.js';
import { SourceIpGuard } from './source-ip.guard.js';
import { WellFormedGuard } from './well-formed.guard.js';

/** Where Reducto calls back. The guards stand in the order in which they are asked: cheap ones first. */
@Controller('webhooks/reducto')
@ApiExcludeController()
@UseGuards(SourceIpGuard, WellFormedGuard, CallbackSecretGuard, KnownJobGuard)
@UseFilters(CallbackRefusedFilter)
export class WebhooksController {
  constructor(
    private readonly checks: CallbackChecks,
    private readonly observed: ObservedRefusals,
    private readonly figures: CallbackFigures,
  ) {}

  /**
   * What comes here has passed the guards, and the last of them has stored it. All methods, so that a wrong one is
   * refused by a guard, and recorded like everything else.
   */
  @All()
  @HttpCode(200)
  receive(@Req() request: FastifyRequest): { received: true } {
    const callback = callbackOf(request, this.checks);
    this.figures.accepted(callback);
    this.observed.record(callback);
    return { received: true };
  }
}
