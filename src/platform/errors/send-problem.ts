import type { FastifyReply } from 'fastify';
import type { GatewayError } from './error-codes.js';
import { problemText } from './problem.dto.js';

/** Answers with problem details (RFC 9457), including the request id. */
export function sendProblem(reply: FastifyReply, error: GatewayError): void {
  if (error.options.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', String(Math.ceil(error.options.retryAfterSeconds)));
  }
  if (error.code === 'unauthenticated') void reply.header('www-authenticate', 'Bearer');
  void reply
    .status(error.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(problemText(error, reply.request.id));
}
