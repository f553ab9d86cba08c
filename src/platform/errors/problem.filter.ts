import {
  Catch,
  HttpException,
  Logger,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  classifyDatabaseError,
  isDatabaseOutage,
  type DatabaseErrorKind,
} from '../database/database-errors.js';
import { RepeatedEvents } from '../logging/repeated-events.js';
import { GatewayError, type ErrorCode } from './error-codes.js';
import { sendProblem } from './send-problem.js';

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'malformed_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  429: 'too_many_requests',
  503: 'unavailable',
};

const RETRY_LATER: Readonly<Partial<Record<DatabaseErrorKind, string>>> = {
  unavailable: 'The database cannot be reached. Try again shortly.',
  read_only: 'The database takes no writes right now. Try again shortly.',
  conflict: 'Another request changed the same data. Try again.',
};

/** Answers every error as problem details. Internal errors are logged, and answered without detail. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Errors');
  private readonly repeated = new RepeatedEvents((code, count) =>
    this.logger.error({ msg: 'more requests failed', code, count }),
  );

  catch(thrown: unknown, host: ArgumentsHost): void {
    const { raw } = host.switchToHttp().getRequest<FastifyRequest>();
    // The client has left: nobody reads an answer, and the stream that was to be sent did not fail.
    if (raw.socket.destroyed && isPrematureClose(thrown)) return;
    this.answer(toGatewayError(thrown), host);
  }

  answer(error: GatewayError, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    if (error.status >= 500) this.log(error);
    // The headers were sent before the stream broke: only closing the connection tells the client.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(reply, error);
  }

  private log(error: GatewayError): void {
    const { code, status } = error;
    const err = error.options.cause ?? error;
    // Limits the log during an overload. The logger itself summarizes an outage of the database.
    if (status === 503 && !isDatabaseOutage(err) && !this.repeated.isFirst(code)) return;
    this.logger.error({ msg: 'request failed', code, err });
  }
}

export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const status = statusOf(thrown);
  const code = status === undefined ? undefined : CODE_OF_STATUS[status];
  if (code !== undefined) {
    return new GatewayError(code, thrown instanceof Error ? thrown.message : undefined);
  }
  const detail = RETRY_LATER[classifyDatabaseError(thrown)];
  if (detail !== undefined) {
    return new GatewayError('unavailable', detail, { retryAfterSeconds: 2, cause: thrown });
  }
  return new GatewayError('internal_error', undefined, { cause: thrown });
}

function isPrematureClose(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_STREAM_PREMATURE_CLOSE'
  );
}

/** The status of an error of Nest or Fastify, such as a malformed body or an unknown route. */
function statusOf(thrown: unknown): number | undefined {
  if (thrown instanceof HttpException) return thrown.getStatus();
  if (thrown instanceof Error && 'statusCode' in thrown && 'code' in thrown) {
    return typeof thrown.code === 'string' && thrown.code.startsWith('FST_')
      ? Number(thrown.statusCode)
      : undefined;
  }
  return undefined;
}
