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
    /** The JSON text that `body` was parsed from; undefined where the request has no JSON body. */
    jsonText: string | undefined;
  }
  interface FastifyContextConfig {
    /** What to send to a route that does not read JSON: the detail of its 415. */
    expectedBody?: string;
  }
}

/** Which routes take which bodies. All others take none, and nothing of a body is read there. */
export interface BodyRules {
  /** Whether there are routes of the API and the console. */
  readonly forApi: boolean;
  kindOf(route: string): BodyKind | undefined;
  readonly maxJsonBytes: number;
  readonly timeoutMilliseconds: number;
  readonly budget: BodyBudget;
  /** In whose name the budget is used; hooks of `onRequest` have run. */
  ownerOf(request: FastifyRequest): string | undefined;
}

/** More than any form of the gateway has. */
const FORM_LIMIT = 65_536;
const MAX_FORM_FIELDS = 100;

/** What Fastify takes for a content type; it answers others by itself. */
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
      const reservation = rules.budget.open(rules.ownerOf(request));
      request.bodyReservation = reservation;
      // Until the answer is out: what was made of the body takes more memory than the body.
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
    // Not within Node's parser: a short body, which is in the same packet as the headers, is there afterwards.
    setImmediate(done, null);
  };
  const only =
    (kind: BodyKind, parse: (request: FastifyRequest) => Promise<unknown>) =>
    (request: FastifyRequest, payload: unknown, done: Done) =>
      request.bodyKind === kind ? parse(request) : parseOther(request, payload, done);
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', parseOther);
  // Also where there is no JSON to parse: Fastify finds the parser of a type by its cache then.
  fastify.addContentTypeParser(JSON_TYPE, rules.forApi ? only('json', readJson) : parseOther);
  if (!rules.forApi) return;
  fastify.addContentTypeParser('application/x-www-form-urlencoded', only('form', readForm));
}

const JSON_TYPE = /^application\/([\w.-]+\+)?json(\s*;|$)/i;

type Done = (error: Error | null) => void;

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `A body can have at most ${maxBytes} bytes here.`);
}

function unsupportedType({ routeOptions }: FastifyRequest): GatewayError {
  const detail = routeOptions.config.expectedBody ?? 'Send application/json.';
  return new GatewayError('unsupported_media_type', detail);
}

/** `__proto__` and `constructor` are names like any other: `JSON.parse` makes own properties of them. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError('malformed_request', 'The body is not valid JSON.');
  }
}
