import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/error-codes.js';
import { sendProblem, type ErrorFormats } from '../errors/send-problem.js';
import { EVERY_ANSWER } from './early-answers.js';

/** Additional headers of answers for a path. */
export type PathHeaders = (path: string) => Readonly<Record<string, string>>;

/**
 * Rejects an unknown route or method before the body is read: 405 with `Allow` if the path has other methods, else 404.
 * Call it before any route is declared.
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

/** Empty for a wildcard: only its handler knows whether it serves a path. */
function knownRoute(url: string, methods: ReadonlySet<string>): KnownRoute[] {
  if (url.includes('*')) return [];
  const source = url
    .replace(/\/$/, '')
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replaceAll(/[^\w-]/g, '\\$&')))
    .join('/');
  return [{ pattern: new RegExp(`^${source}/?$`), methods }];
}

/** Answers for a path that the router cannot parse; hooks do not run for it. */
export function answerRouterErrors(
  headersOf: PathHeaders,
  formatOf: ErrorFormats,
): (error: Error, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    void reply.headers({ ...EVERY_ANSWER, ...headersOf(decodePath(path)) });
    void reply.header('x-request-id', request.id);
    const isTooLong = 'code' in error && error.code === 'FST_ERR_MAX_PARAM_LENGTH';
    sendProblem(reply, isTooLong ? NOT_FOUND : MALFORMED_PATH, formatOf(path));
  };
}

/** Decodes percent-encoded ASCII characters, even if other encodings are invalid. */
function decodePath(path: string): string {
  return path.replaceAll(/%[0-7][\da-f]/gi, (encoded) => decodeURIComponent(encoded));
}

const MALFORMED_PATH = new GatewayError(
  'malformed_request',
  'The path is not percent-encoded correctly.',
);
const NOT_FOUND = new GatewayError('not_found');
const METHOD_NOT_ALLOWED = new GatewayError('method_not_allowed');
