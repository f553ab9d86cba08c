import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { AcceptedCallbacks } from './accepted-callbacks.js';
import { CallbackChecks } from './callback-checks.js';
import { SvixSignatures } from './svix-signature.js';

/** The checks without the door: for judging a callback again. */
@Module({
  imports: [JobsModule],
  providers: [CallbackChecks, SvixSignatures, AcceptedCallbacks],
  exports: [CallbackChecks, AcceptedCallbacks],
})
export class CallbackChecksModule {}
