import { isUtf8 } from 'node:buffer';
import type {
  FastifyInstance,
  FastifyRequest,
  onRequestHookHandler,
  preParsingHookHandler,
} from 'fastify';
import { GatewayError } from '../errors/error-codes.js';
import { FairTurns } from '../fair-turns.js';
import { exceededJsonLimitFairly } from '../json/json-limits.js';
import type { BodyBudget, BodyReservation } from './body-budget.js';
import { declaredLength, readBody, type RawBody } from './body-reader.js';

/** `unread`: the guards of the route read the body, whatever its type. */
export type BodyKind = 'json' | 'form' | 'unread';

declare module 'fastify' {
  interface FastifyRequest {
    bodyKind: BodyKind | undefined;
    bodyReservation: BodyReservation | undefined;
    /** The JSON text of `body`; undefined if the request has no JSON body. */
    jsonText: string | undefined;
  }
  interface FastifyContextConfig {
    /** The detail of a 415: the body that the route expects instead of JSON. */
    expectedBody?: string;
  }
}

/** The kinds of bodies by route. Bodies of other routes are not read. */
export interface BodyRules {
  /** Whether the process serves the API and the console. */
  readonly forApi: boolean;
  kindOf(route: string): BodyKind | undefined;
  readonly maxJsonBytes: number;
  readonly timeoutMilliseconds: number;
  readonly budget: BodyBudget;
  /** The owner for the budget; called after the `onRequest` hooks. */
  ownerOf(request: FastifyRequest): string | undefined;
}

/** Larger than any form of the gateway. */
const FORM_LIMIT = 65_536;
const MAX_FORM_FIELDS = 100;

/** A valid content type; Fastify itself rejects others. */
const READABLE_TYPE = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/;

/** Call it before any route is declared. */
export function registerBodyParsers(fastify: FastifyInstance, rules: BodyRules): void {
  fastify.decorateRequest('bodyKind', undefined);
  fastify.decorateRequest('bodyReservation', undefined);
  fastify.decorateRequest('jsonText', undefined);
  fastify.addHook('onRoute', (route) => {
    const kind = rules.kindOf(route.url);
    if (kind === undefined) return;
    const mark: onRequestHookHandler = (request, _reply, done) => {
      request.bodyKind = kind;
      const type = request.raw.headers['content-type'];
      if (kind === 'unread' && type !== undefined && !READABLE_TYPE.test(type)) {
        request.headers = { 'content-type': 'application/octet-stream' };
      }
      done();
    };
    route.onRequest = [...[route.onRequest ?? []].flat(), mark];
    if (kind === 'unread') return;
    const invite: preParsingHookHandler = (request, reply, payload, done) => {
      if (isEncoded(request)) return done(ENCODED_BODY);
      const reservation = rules.budget.open(rules.ownerOf(request));
      request.bodyReservation = reservation;
      // Until the answer is sent: the parsed body takes more memory than its bytes.
      reply.raw.once('close', () => reservation.release());
      if (request.raw.headers.expect !== undefined) reply.raw.writeContinue();
      done(null, payload);
    };
    route.preParsing = [...[route.preParsing ?? []].flat(), invite];
  });

  const read = (request: FastifyRequest, maxBytes: number): Promise<RawBody> => {
    const { timeoutMilliseconds } = rules;
    const { bodyReservation: reservation } = request;
    if (reservation === undefined) throw new Error('a body has no reservation');
    if ((declaredLength(request.raw) ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes));
    return readBody(request.raw, { maxBytes, timeoutMilliseconds, reservation });
  };
  const readJson = async (request: FastifyRequest): Promise<unknown> => {
    const body = await read(request, rules.maxJsonBytes);
    if (!body.complete) throw tooLarge(rules.maxJsonBytes);
    if (body.bytes.length === 0) return undefined;
    const turns = new FairTurns();
    const excess = await exceededJsonLimitFairly(body.bytes);
    if (excess !== undefined) throw new GatewayError('validation_failed', excess);
    if (!isUtf8(body.bytes)) throw new GatewayError('malformed_request', 'The body is not UTF-8.');
    await turns.pause();
    request.jsonText = body.bytes.toString();
    await turns.pause();
    return parseJson(request.jsonText);
  };
  const readForm = async (request: FastifyRequest): Promise<unknown> => {
    const body = await read(request, FORM_LIMIT);
    if (!body.complete) throw tooLarge(FORM_LIMIT);
    const text = body.bytes.toString();
    if (text.split('&', MAX_FORM_FIELDS + 1).length > MAX_FORM_FIELDS) {
      throw new GatewayError('malformed_request', 'The form has too many fields.');
    }
    return new URLSearchParams(text);
  };
  const parseOther = (request: FastifyRequest, _payload: unknown, done: Done): void => {
    if (request.bodyKind !== 'unread') return done(unsupportedType(request));
    // After Node's parser has run: a short body in the same packet as the headers is available then.
    setImmediate(done, null);
  };
  const only =
    (kind: BodyKind, parse: (request: FastifyRequest) => Promise<unknown>) =>
    (request: FastifyRequest, payload: unknown, done: Done) =>
      request.bodyKind === kind ? parse(request) : parseOther(request, payload, done);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', parseOther);
  // Needed even without JSON routes, because Fastify caches the parser of each type.
  fastify.addContentTypeParser(JSON_TYPE, rules.forApi ? only('json', readJson) : parseOther);
  if (!rules.forApi) return;
  fastify.addContentTypeParser('application/x-www-form-urlencoded', only('form', readForm));
}

/** Lets go of a body that is no longer needed, before a request that waits for long. */
export function releaseBody(request: FastifyRequest): void {
  request.body = undefined;
  request.jsonText = undefined;
  request.bodyReservation?.release();
}

function isEncoded({ headers }: FastifyRequest): boolean {
  return !/^(identity)?$/i.test(headers['content-encoding'] ?? '');
}

const ENCODED_BODY = new GatewayError(
  'unsupported_media_type',
  'Send the body without Content-Encoding.',
);

const JSON_TYPE = /^application\/([\w.-]+\+)?json(\s*;|$)/i;

type Done = (error: Error | null) => void;

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `A body can have at most ${maxBytes} bytes here.`);
}

function unsupportedType({ routeOptions }: FastifyRequest): GatewayError {
  const detail = routeOptions.config.expectedBody ?? 'Send application/json.';
  return new GatewayError('unsupported_media_type', detail);
}

/** Keeps `__proto__` and `constructor`: `JSON.parse` creates own properties for them. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError('malformed_request', 'The body is not valid JSON.');
  }
}
