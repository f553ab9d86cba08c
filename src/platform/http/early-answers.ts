import { randomUUID } from 'node:crypto';
import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../errors/error-codes.js';
import type { ErrorFormats } from '../errors/send-problem.js';
import { problemText } from '../errors/problem.dto.js';

export const EVERY_ANSWER = { 'x-content-type-options': 'nosniff' } as const;

/** Adds the headers of every answer. Call it before any other hook is added. */
export function protectAnswers(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (_request, reply, done) => {
    void reply.headers(EVERY_ANSWER);
    done();
  });
}

/** An error of Node’s HTTP parser. */
type ClientError = Error & { code?: string; rawPacket?: unknown };

/** Answers requests that Node cannot parse or that timed out, in the format of the path if that is known. */
export function answerClientErrors(
  formatOf: ErrorFormats,
): (error: ClientError, socket: Socket) => void {
  return (error, socket) => answerClientError(error, socket, formatOf);
}

function answerClientError(error: ClientError, socket: Socket, formatOf: ErrorFormats): void {
  // Within an answer that is being sent, the bytes would become a part of it.
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const problem = CLIENT_ERRORS.get(error.code ?? '') ?? UNREADABLE_REQUEST;
  const requestId = randomUUID();
  const formatted = formatOf(pathOf(error))?.(problem);
  const body = formatted?.text ?? problemText(problem, requestId);
  const headers = {
    ...EVERY_ANSWER,
    'x-request-id': requestId,
    ...formatted?.headers,
    'content-type': `application/${formatted === undefined ? 'problem+' : ''}json; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const { status } = formatted ?? problem;
  socket.write(
    [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', body].join('\r\n'),
  );
  socket.destroy();
}

/**
 * The path in the packet with the error. Empty if the request began in an earlier packet, of which Node keeps nothing: the
 * answer is then problem details under every path.
 */
function pathOf({ rawPacket }: ClientError): string {
  if (!Buffer.isBuffer(rawPacket)) return '';
  return /^[A-Z]+ (\S+)/.exec(rawPacket.toString('latin1', 0, MAX_REQUEST_LINE))?.[1] ?? '';
}

/** Node has no public property for it. */
function isAnswering(socket: Socket): boolean {
  const message: unknown = Reflect.get(socket, '_httpMessage');
  return message instanceof ServerResponse && message.headersSent;
}

const MAX_REQUEST_LINE = 1000;
const UNREADABLE_REQUEST = new GatewayError('malformed_request', 'This is not valid HTTP/1.1.');
/** By the code of Node's error. */
const CLIENT_ERRORS = new Map([
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    new GatewayError('request_timeout', 'Send the headers of a request at once.'),
  ],
  [
    'HPE_HEADER_OVERFLOW',
    new GatewayError(
      'headers_too_large',
      'The path and the headers can have at most 16 KB together.',
    ),
  ],
  [
    'HPE_CHUNK_EXTENSIONS_OVERFLOW',
    new GatewayError('payload_too_large', 'The extensions of a chunk are too long.'),
  ],
]);
