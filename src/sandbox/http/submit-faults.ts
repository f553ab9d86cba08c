import { FastifyReply } from 'fastify';
import { ApiError, htmlError, tooManyRequests, unavailable } from '../api-error.js';
import { SubmitFaults } from '../faults/faults.js';

export type SubmitFault = SubmitFaults['fault'];

const QUEUE_FULL_RETRY_AFTER_SECONDS = 300;

/** The fault of the `nth` submit of the same body. */
export function submitFaultFor(faults: SubmitFaults | undefined, nth: number): SubmitFault {
  return nth <= (faults?.times ?? Number.POSITIVE_INFINITY) ? faults?.fault : undefined;
}

/** Throws the error of a fault that creates no job; returns for the others. */
export function refuseSubmit(fault: SubmitFault, given: SubmitFaults): void {
  switch (fault) {
    case '429code1000':
      throw tooManyRequests(1000, given.retryAfterSeconds);
    case '429code2000':
      throw tooManyRequests(2000, given.retryAfterSeconds);
    case '429bare':
      throw tooManyRequests(undefined, given.retryAfterSeconds);
    case '503retryAfter':
      throw unavailable(given.retryAfterSeconds ?? QUEUE_FULL_RETRY_AFTER_SECONDS);
    case '401':
      throw new ApiError(401, { detail: 'Invalid access token' });
    case '403html':
      throw htmlError(403, 'Forbidden');
    case 'status':
      throw new ApiError(given.status ?? 500, { detail: 'Simulated error of the sandbox' });
    case 'createdButTimeout':
    case 'createdButReset':
    case 'createdBut502':
    case 'slow':
    case 'duplicate':
    case undefined:
      return;
  }
}

/** Loses the response to a submit that has created a job; returns true if no response is left to send. */
export function loseResponse(fault: SubmitFault, reply: FastifyReply): boolean {
  switch (fault) {
    case 'createdButTimeout':
      // The connection stays open until the caller times out or the sandbox closes.
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
