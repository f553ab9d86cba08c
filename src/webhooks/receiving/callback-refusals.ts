import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GUARD_OF_CAUSE, REFUSAL_CAUSES, type RefusalCause } from '../../audit/refusal.js';
import { RefusalRecorder } from '../../audit/refusal-recorder.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { declaredLength } from '../../platform/http/body-reader.js';
import { CallbackBodyReader } from './callback-body.js';
import { CallbackChecks } from '../callback-checks.js';
import {
  countedOf,
  refusalOf,
  type CallbackRefused,
  type ReceivedCallback,
} from '../guards/received-callback.js';

/** Records refused callbacks and chooses the answer. */
@Injectable()
export class CallbackRefusals {
  constructor(
    private readonly recorder: RefusalRecorder,
    private readonly checks: CallbackChecks,
    private readonly reader: CallbackBodyReader,
  ) {}

  /** Records the refusal and returns the answer, which names only the guard. */
  refuse(
    { guard, refusalCause }: CallbackRefused,
    callback: ReceivedCallback,
    http: { request: FastifyRequest; reply: FastifyReply },
  ): GatewayError | Promise<GatewayError> {
    const answer = ANSWERS.get(refusalCause) ?? answerTo(refusalCause);
    const isUnread = guard === 'source_ip';
    const bytes = isUnread ? this.sampleSize(http.request) : callback.body.bytes.length;
    const record = this.recorder.recordRefusal(countedOf(callback, refusalCause, 'refused', bytes));
    if (record === undefined) return answer;
    if (!isUnread) {
      record(refusalOf(callback, refusalCause, answer.status));
      return answer;
    }
    return this.refuseBySample(callback, http, () => {
      record(refusalOf(callback, refusalCause, answer.status));
      return answer;
    });
  }

  private async refuseBySample(
    callback: ReceivedCallback,
    { request, reply }: { request: FastifyRequest; reply: FastifyReply },
    refuse: () => GatewayError,
  ): Promise<GatewayError> {
    callback.body = await this.reader.readSample(request, reply);
    if (this.reader.isDecisive(callback.body)) this.checkFurther(callback);
    return refuse();
  }

  /** The maximum size of the sample before it is read. */
  private sampleSize({ raw }: FastifyRequest): number {
    return Math.min(declaredLength(raw) ?? Infinity, this.reader.sampleBytes);
  }

  /**
   * A valid secret from a refused address indicates a wrong allowlist or proxy, not an attack. Checking the secret
   * needs no database.
   */
  private checkFurther(callback: ReceivedCallback): void {
    const form = this.checks.checkForm(callback);
    if (form.found !== undefined) callback.message = form.found;
    callback.verdicts.well_formed = form.verdict;
    callback.verdicts.secret = this.checks.checkSecret(callback, form.found).verdict;
  }
}

function answerTo(cause: RefusalCause): GatewayError {
  switch (GUARD_OF_CAUSE[cause]) {
    case 'source_ip':
      return new GatewayError('callback_refused_address');
    case 'secret':
      return new GatewayError('callback_refused_secret');
    case 'job_id':
      return new GatewayError('callback_refused_job');
    case 'well_formed':
      break;
  }
  switch (cause) {
    case 'wrong_method':
      return new GatewayError('method_not_allowed', 'Callbacks are sent with POST.');
    case 'wrong_content_type':
      return new GatewayError('unsupported_media_type', 'Callbacks are application/json.');
    case 'too_large':
      return new GatewayError('payload_too_large');
    default:
      return new GatewayError('malformed_request', 'The body is not a callback of Reducto.');
  }
}

/** Created once, because capturing a stack is expensive. */
const ANSWERS = new Map(REFUSAL_CAUSES.map((cause) => [cause, answerTo(cause)]));
