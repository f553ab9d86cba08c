import { FastifyReply } from 'fastify';
import { ApiError, htmlError, tooManyRequests, unavailable } from '../api-error.js';
import { SubmitFaults } from '../faults/faults.js';

export type SubmitFault = SubmitFaults['fault'];

const FULL_QUEUE_RETRY_AFTER_SECONDS = 300;

/** The fault that hits the `nth` submit of the same body, if any. */
export function submitFaultFor(faults: SubmitFaults | undefined, nth: number): SubmitFault {
  return nth <= (faults?.times ?? Number.POSITIVE_INFINITY) ? faults?.fault : undefined;
}

/** Throws the answer of the faults that create nothing; returns for all others. */
export function refuseSubmit(fault: SubmitFault, given: SubmitFaults): void {
  switch (fault) {
    case '429code1000':
      throw tooManyRequests(1000, given.retryAfterSeconds);
    case '429code2000':
      throw tooManyRequests(2000, given.retryAfterSeconds);
    case '429bare':
      throw tooManyRequests(undefined, given.retryAfterSeconds);
    case '503retryAfter':
      throw unavailable(given.retryAfterSeconds ?? FULL_QUEUE_RETRY_AFTER_SECONDS);
    case '401':
      throw new ApiError(401, { detail: 'Invalid access token' });
    case '403html':
      throw htmlError(403, 'Forbidden');
    case 'status':
      throw new ApiError(given.status ?? 500, { detail: 'Scripted answer of the sandbox' });
    case 'createdButTimeout':
    case 'createdButReset':
    case 'createdBut502':
    case 'slow':
    case 'duplicate':
    case undefined:
      return;
  }
}

/** Loses the answer to a submit that has created its job; true when there is none to give any more. */
export function loseAnswer(fault: SubmitFault, reply: FastifyReply): boolean {
  switch (fault) {
    case 'createdButTimeout':
      // The connection stays open and silent until the caller gives up or the sandbox closes.
      reply.hijack();
      return true;
    case 'createdButReset':
      reply.hijack();
      reply.raw.socket?.resetAndDestroy();
      return true;
    case 'createdBut502':
      throw htmlError(502, 'Bad Gateway');
    case '429code1000':
    case '429code2000':
    case '429bare':
    case '503retryAfter':
    case '401':
    case '403html':
    case 'status':
    case 'slow':
    case 'duplicate':
    case undefined:
    default:
      return false;
  }
}
