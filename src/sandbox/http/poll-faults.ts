import { FastifyReply } from 'fastify';
import { ApiError, htmlError, tooManyRequests } from '../api-error.js';
import { VirtualClock } from '../clock.js';
import { Job } from '../jobs/job.js';
import { JsonObject } from '../json.js';

/** Applies the `poll.fault` switch; returns true if it has handled the reply. */
export async function applyPollFault(
  job: Job,
  view: JsonObject,
  reply: FastifyReply,
  clock: VirtualClock,
): Promise<boolean> {
  const poll = job.sim.poll ?? {};
  if (poll.fault === undefined) return false;
  job.faultyReads += 1;
  if (job.faultyReads > (poll.times ?? Number.POSITIVE_INFINITY)) return false;
  switch (poll.fault) {
    case 'http':
      throw new ApiError(poll.httpStatus ?? 503, { detail: 'Simulated error of the sandbox' });
    case 'htmlHttp':
      throw htmlError(poll.httpStatus ?? 503, 'Service Temporarily Unavailable');
    case 'code1000':
      throw tooManyRequests(1000);
    case 'code2000':
      throw tooManyRequests(2000);
    case 'bare429':
      throw tooManyRequests(undefined);
    case 'truncated':
      return sendHalf(view, reply);
    case 'reset':
      reply.hijack();
      reply.raw.socket?.resetAndDestroy();
      return true;
    case 'hang':
      reply.hijack();
      return true;
    case 'slow':
    default:
      await clock.sleep(poll.delayMs ?? 0);
      return false;
  }
}

/** Sends a complete HTTP response with truncated JSON. */
async function sendHalf(view: JsonObject, reply: FastifyReply): Promise<true> {
  const text = JSON.stringify(view);
  await reply.type('application/json').send(text.slice(0, Math.ceil(text.length / 2)));
  return true;
}
