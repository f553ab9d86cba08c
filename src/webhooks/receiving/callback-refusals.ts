import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GUARD_OF_CAUSE, type RefusalCause } from '../../audit/refusal.js';
import { RefusalRecorder } from '../../audit/refusal-recorder.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { declaredLength } from '../../platform/http/body-reader.js';
import { CallbackBodyReader } from './callback-body.reader.js';
import { CallbackChecks } from '../callback-checks.js';
import { toCounted, toRefusal, type ReceivedCallback } from '../guards/received-callback.js';

/** Records refused callbacks and chooses the answer. */
@Injectable()
export class CallbackRefusals {
  constructor(
    private readonly recorder: RefusalRecorder,
    private readonly checks: CallbackChecks,
    private readonly reader: CallbackBodyReader,
  ) {}

  /** Records the refusal and returns the answer, which names only the guard. */
  async refuseCallback(
    cause: RefusalCause,
    callback: ReceivedCallback,
    { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  ): Promise<GatewayError> {
    const answer = ANSWERS[cause];
    const isUnread = GUARD_OF_CAUSE[cause] === 'source_ip';
    const bytes = isUnread ? this.sampleSize(request) : callback.body.bytes.length;
    const record = this.recorder.recordRefusal(toCounted(callback, cause, 'refused', bytes));
    if (record !== undefined) {
      if (isUnread) await this.checkSample(callback, request, reply);
      record(toRefusal(callback, cause, answer.status));
    }
    return answer;
  }

  /**
   * A valid secret from a refused address indicates a wrong allowlist or proxy, not an attack. Checking the secret
   * needs no database.
   */
  private async checkSample(
    callback: ReceivedCallback,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    callback.body = await this.reader.readSample(request, reply);
    if (!this.reader.isDecisive(callback.body)) return;
    const form = this.checks.checkForm(callback);
    if (form.found !== undefined) callback.message = form.found;
    callback.verdicts.well_formed = form.verdict;
    callback.verdicts.secret = this.checks.checkSecret(callback, form.found).verdict;
  }

  /** The maximum size of the sample before it is read. */
  private sampleSize({ raw }: FastifyRequest): number {
    return Math.min(declaredLength(raw) ?? Infinity, this.reader.sampleBytes);
  }
}

const REFUSED_SECRET = new GatewayError('callback_refused_secret');
const REFUSED_JOB = new GatewayError('callback_refused_job');
const MALFORMED = new GatewayError('malformed_request', 'The body is not a callback of Reducto.');

/** Created once: the stack trace of a new error would take 27 µs beside the 67 µs of a refusal. */
const ANSWERS: Readonly<Record<RefusalCause, GatewayError>> = {
  address_not_allowed: new GatewayError('callback_refused_address'),
  wrong_method: new GatewayError('method_not_allowed', 'Callbacks are sent with POST.'),
  wrong_content_type: new GatewayError('unsupported_media_type', 'Callbacks are application/json.'),
  too_large: new GatewayError('payload_too_large'),
  not_json: MALFORMED,
  not_a_callback: MALFORMED,
  signature_incomplete: REFUSED_SECRET,
  signature_stale: REFUSED_SECRET,
  signature_invalid: REFUSED_SECRET,
  svix_not_configured: REFUSED_SECRET,
  token_missing: REFUSED_SECRET,
  token_invalid: REFUSED_SECRET,
  job_unknown: REFUSED_JOB,
  upstream_id_mismatch: REFUSED_JOB,
};
