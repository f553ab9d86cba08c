import { Injectable } from '@nestjs/common';
import type { GuardName, RefusalCause } from '../audit/refusal.js';
import { Refusals } from '../audit/refusals.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { CallbackChecks } from './callback-checks.js';
import { refusalOf, type CallbackRefused, type ReceivedCallback } from './received-callback.js';

/** Made once, like the refusals themselves: nothing in them differs. */
const ANSWERS: Readonly<Record<Exclude<GuardName, 'well_formed'>, GatewayError>> = {
  source_ip: new GatewayError('callback_refused_address'),
  secret: new GatewayError('callback_refused_secret'),
  job_id: new GatewayError('callback_refused_job'),
};

/** What becomes of a callback that a guard refuses. */
@Injectable()
export class CallbackRefusals {
  constructor(
    private readonly refusals: Refusals,
    private readonly checks: CallbackChecks,
  ) {}

  /** Records the refusal and returns the answer, which names the guard and nothing more. */
  refuse({ guard, refusalCause }: CallbackRefused, callback: ReceivedCallback): GatewayError {
    // "Right secret, wrong address" is a mistake in a proxy; "nothing right" is an attack. Checking
    // the secret costs no database, so the record can tell.
    if (guard === 'source_ip') {
      const form = this.checks.form(callback);
      if (form.found !== undefined) callback.message = form.found;
      callback.verdicts.well_formed = form.verdict;
      callback.verdicts.secret = this.checks.secret(callback, form.found).verdict;
    }
    const answer = answerTo(guard, refusalCause);
    this.refusals.record(refusalOf(callback, guard, refusalCause, answer.status));
    return answer;
  }
}

function answerTo(guard: GuardName, cause: RefusalCause): GatewayError {
  if (guard !== 'well_formed') return ANSWERS[guard];
  switch (cause) {
    case 'wrong_method':
      return new GatewayError('method_not_allowed', 'Callbacks are sent with POST.');
    case 'wrong_content_type':
      return new GatewayError('unsupported_media_type', 'Callbacks are application/json.');
    case 'too_large':
      return new GatewayError('payload_too_large');
    default:
      return new GatewayError('malformed_request', 'This is not a callback of Reducto’s.');
  }
}
