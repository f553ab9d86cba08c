import { randomUUID } from 'node:crypto';
import { ServerResponse, STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/error-codes.js';
import { problemText } from '../errors/problem.dto.js';
import { sendProblem } from '../errors/send-problem.js';
import { declaredLength } from './body-reader.js';

/** What is still read of a body whose request has been answered. */
const DRAINED_BYTES = 65_536;
const DRAIN_MILLISECONDS = 1000;

/**
 * Bounds what is read of a body after its request was answered: at most 64 KB, and a second later the connection closes.
 * To close it at once would reset it, and the client might lose the answer. By itself Node reads on without end.
 */
export function limitUnreadBodies(server: Server): void {
  const stalled = new StalledBodies();
  const limit = (request: IncomingMessage, response: ServerResponse): void => {
    if (declaredLength(request) === 0) return;
    // Before the listener of Node, which closes the connection or discards the body.
    response.prependListener('finish', () => {
      if (request.complete || request.socket.destroyed) return;
      if (closesAfterAnswer(request)) drain(request);
      else stalled.add(request);
    });
  };
  server.prependListener('request', limit);
  // Without these listeners, Node asks for the body before the request can be refused, and reads on after its own 417.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('checkExpectation', (request, response) => {
    limit(request, response);
    response.writeHead(417, { ...EVERY_ANSWER, connection: 'close' }).end();
  });
  server.on('close', () => stalled.end());
}

/** Announces the end of the connection where the rest of the body may be longer than what is drained. */
export function announceClose(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (closesAfterAnswer(request.raw)) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/**
 * Answers for a route or a method that does not exist before the body is read: 405 with `Allow` where the path has other
 * methods, else 404. Call it before any route is declared.
 */
export function refuseUnknownRoutes(fastify: FastifyInstance, headersOf: PathHeaders): void {
  const methodsOf = new Map<string, Set<string>>();
  fastify.addHook('onRoute', ({ method, url }) => {
    const methods = methodsOf.get(url) ?? new Set();
    methodsOf.set(url, methods);
    for (const one of [method].flat()) methods.add(one);
  });
  let routes: KnownRoute[] = [];
  fastify.addHook('onReady', (done) => {
    routes = [...methodsOf].flatMap(([url, methods]) => knownRoute(url, methods));
    done();
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    const path = request.url.split('?', 1)[0] ?? '';
    const matching = routes.filter(({ pattern }) => pattern.test(path));
    void reply.headers(headersOf(decodePath(path)));
    if (matching.length === 0) return sendProblem(reply, NOT_FOUND);
    const allowed = new Set(matching.flatMap(({ methods }) => [...methods]));
    void reply.header('allow', [...allowed].join(', '));
    sendProblem(reply, METHOD_NOT_ALLOWED);
  });
}

interface KnownRoute {
  readonly pattern: RegExp;
  readonly methods: ReadonlySet<string>;
}

/** None for a wildcard: whether it serves a path, only its handler knows. */
function knownRoute(url: string, methods: ReadonlySet<string>): KnownRoute[] {
  if (url.includes('*')) return [];
  const source = url
    .replace(/\/$/, '')
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[^\w-]/g, '\\$&')))
    .join('/');
  return [{ pattern: new RegExp(`^${source}/?$`), methods }];
}

/** Answers for a path that the router cannot read. The hooks of the server do not run for these. */
export function answerRouterErrors(
  headersOf: PathHeaders,
): (error: Error, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    void reply.headers({ ...EVERY_ANSWER, ...headersOf(decodePath(path)) });
    void reply.header('x-request-id', request.id);
    const isTooLong = 'code' in error && error.code === 'FST_ERR_MAX_PARAM_LENGTH';
    sendProblem(reply, isTooLong ? NOT_FOUND : MALFORMED_PATH);
  };
}

/** Adds the headers of every answer. Call it before any other hook is added. */
export function protectAnswers(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (_request, reply, done) => {
    void reply.headers(EVERY_ANSWER);
    done();
  });
}

/** Answers on a connection whose request Node cannot read, or that did not come in time. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // Bytes within an answer that is under way would be taken for a part of it.
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const problem = CLIENT_ERRORS.get(error.code ?? '') ?? UNREADABLE_REQUEST;
  const requestId = randomUUID();
  const body = problemText(problem, requestId);
  const headers = {
    ...EVERY_ANSWER,
    'x-request-id': requestId,
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const { status } = problem;
  socket.write(
    [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', body].join('\r\n'),
  );
  socket.destroy();
}

/** Node itself has no other way to know it. */
function isAnswering(socket: Socket): boolean {
  const message: unknown = Reflect.get(socket, '_httpMessage');
  return message instanceof ServerResponse && message.headersSent;
}

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

const EVERY_ANSWER = { 'x-content-type-options': 'nosniff' } as const;

/** The headers that answers for a path have beside those of every answer. */
export type PathHeaders = (path: string) => Readonly<Record<string, string>>;

/** The path with every ASCII character decoded that is percent-encoded, also where other encodings are wrong. */
function decodePath(path: string): string {
  return path.replaceAll(/%[0-7][\da-f]/gi, (encoded) => decodeURIComponent(encoded));
}

const MALFORMED_PATH = new GatewayError(
  'malformed_request',
  'The path is not percent-encoded correctly.',
);
const NOT_FOUND = new GatewayError('not_found');
const METHOD_NOT_ALLOWED = new GatewayError('method_not_allowed');

/** Whether the connection ends with the answer that is sent now. */
export function closesAfterAnswer(request: IncomingMessage): boolean {
  if (request.complete) return false;
  // Who expects a "100 Continue" and hears a refusal sends the body, or does not.
  if (request.headers.expect !== undefined) return true;
  return (declaredLength(request) ?? Infinity) > DRAINED_BYTES;
}

/** Short bodies that had not come as a whole when their requests were answered; mostly they come at once. */
class StalledBodies {
  private since = new Map<Socket, IncomingMessage>();
  private before = this.since;
  private readonly timer = setInterval(() => this.sweep(), DRAIN_MILLISECONDS).unref();

  /** By connection: an entry for each request would keep thousands of them. */
  add(request: IncomingMessage): void {
    this.since.set(request.socket, request);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private sweep(): void {
    for (const [socket, request] of this.before) if (!request.complete) socket.destroy();
    this.before = this.since;
    this.since = new Map();
  }
}

function drain(request: IncomingMessage): void {
  const { socket } = request;
  let left = DRAINED_BYTES;
  let isLast = false;
  const stop = (): void => {
    clearTimeout(timer);
    request.off('data', onData).off('end', onEnd).off('close', stop);
    Reflect.deleteProperty(socket, 'destroySoon');
  };
  const close = (): void => {
    stop();
    socket.destroySoon();
  };
  const onData = (part: Buffer): void => {
    left -= part.length;
    if (left > 0) return;
    request.pause();
    socket.end();
  };
  const onEnd = (): void => (isLast ? close() : stop());
  const timer = setTimeout(close, DRAIN_MILLISECONDS);
  // Node calls this once the last answer of a connection is out.
  socket.destroySoon = () => {
    isLast = true;
  };
  request.unpipe();
  request.removeAllListeners('data');
  request.on('data', onData).on('end', onEnd).on('close', stop);
  // Marks the body as taken, or Node would discard it by itself.
  request.read(0);
  request.resume();
}
