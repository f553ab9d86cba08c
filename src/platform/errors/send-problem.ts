import type { FastifyInstance, FastifyReply } from 'fastify';
import type { GatewayError } from './error-codes.js';
import { problemText } from './problem.dto.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The format of errors on this path; problem details if it is undefined. */
    readonly errorFormat: ErrorFormat | undefined;
  }
}

/** An error as the clients of some paths expect it. */
export interface FormattedError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly text: string;
}

export type ErrorFormat = (error: GatewayError) => FormattedError;

/** The format of errors for a path; problem details if it is undefined. */
export type ErrorFormats = (path: string) => ErrorFormat | undefined;

/** Sets the format of errors by path. Call it before any route is declared. */
export function formatErrors(fastify: FastifyInstance, formatOf: ErrorFormats): void {
  fastify.decorateRequest('errorFormat', {
    getter() {
      return formatOf(this.url);
    },
  });
}

/** Answers with problem details (RFC 9457), including the request id, or in the format of the path. */
export function sendProblem(
  reply: FastifyReply,
  error: GatewayError,
  format = reply.request.errorFormat,
): void {
  if (error.options.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', String(Math.ceil(error.options.retryAfterSeconds)));
  }
  if (error.code === 'unauthenticated') void reply.header('www-authenticate', 'Bearer');
  if (format !== undefined) {
    const { status, headers, text } = format(error);
    void reply.status(status).headers(headers).type(JSON_TYPE).send(text);
    return;
  }
  void reply
    .status(error.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(problemText(error, reply.request.id));
}

const JSON_TYPE = 'application/json; charset=utf-8';
