import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import { GatewayError } from '../errors/error-codes.js';
import { exceededJsonLimit } from '../json-limits.js';

/** The bytes of a request as they came, for routes that check a signature over them. */
export class RawBody {
  constructor(
    readonly bytes: Buffer,
    /** False where the body was longer than the route allows; `bytes` is its beginning then. */
    readonly complete: boolean,
  ) {}
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Bytes that a body may have which is to be kept as it came; undefined on all other routes. */
    rawLimit: number | undefined;
    /** The JSON text that `body` was parsed from; undefined where the request has no JSON body. */
    jsonText: string | undefined;
  }
  interface FastifyContextConfig {
    /** What to send to a route that does not read JSON: the detail of its 415. */
    expectedBody?: string;
  }
}

/** Routes that take any body raw, by path, with their limit in bytes. */
export type RawRoutes = ReadonlyMap<string, number>;

/** Beyond what any form of ours has. */
const FORM_LIMIT = 65_536;
const MAX_FORM_FIELDS = 100;

/**
 * JSON for the API, raw bytes for `rawRoutes`, forms for the routes below `formsBelow`. On a raw route nothing is refused here, neither type
 * nor size: its guards judge, so that every refusal is recorded in one place.
 */
export function registerBodyParsers(
  fastify: FastifyInstance,
  jsonLimit: number,
  rawRoutes: RawRoutes,
  formsBelow: string,
): void {
  fastify.decorateRequest('rawLimit', undefined);
  fastify.decorateRequest('jsonText', undefined);
  fastify.addHook('onRoute', (route) => {
    const limit = rawRoutes.get(route.url);
    if (limit === undefined) return;
    const mark: onRequestHookHandler = (request, _reply, done) => {
      request.rawLimit = limit;
      done();
    };
    route.onRequest = [...[route.onRequest ?? []].flat(), mark];
  });

  fastify.removeAllContentTypeParsers();
  const readJson = async (request: FastifyRequest, payload: Payload): Promise<unknown> => {
    const body = await read(payload, jsonLimit);
    if (!body.complete) {
      throw new GatewayError('payload_too_large', `A request can have at most ${jsonLimit} bytes.`);
    }
    if (body.bytes.length === 0) return undefined;
    const excess = exceededJsonLimit(body.bytes);
    if (excess !== undefined) throw new GatewayError('validation_failed', excess);
    if (!isUtf8(body.bytes)) throw new GatewayError('malformed_request', 'The body is not UTF-8.');
    request.jsonText = body.bytes.toString();
    return parseJson(request.jsonText);
  };
  const readForm = async (request: FastifyRequest, payload: Payload): Promise<unknown> => {
    if (!request.routeOptions.url?.startsWith(formsBelow)) return refuseType(request);
    const body = await read(payload, FORM_LIMIT);
    if (!body.complete) throw new GatewayError('payload_too_large');
    const text = body.bytes.toString();
    if (text.split('&', MAX_FORM_FIELDS + 1).length > MAX_FORM_FIELDS) {
      throw new GatewayError('malformed_request', 'The form has too many fields.');
    }
    return new URLSearchParams(text);
  };
  /** The bytes where the route is a raw one, and else what `parse` makes of them. */
  const rawOr =
    (parse: (request: FastifyRequest, payload: Payload) => Promise<unknown>) =>
    (request: FastifyRequest, payload: Payload, done: Done<RawBody>) => {
      if (request.rawLimit === undefined) return parse(request, payload);
      return collect(payload, request.rawLimit, done);
    };
  fastify.addContentTypeParser(/^application\/([\w.-]+\+)?json(\s*;|$)/i, rawOr(readJson));
  fastify.addContentTypeParser('application/x-www-form-urlencoded', rawOr(readForm));
  fastify.addContentTypeParser('*', rawOr(refuseType));
}

type Payload = IncomingMessage;

type Done<Body> = (error: Error | null, body?: Body) => void;

/** `__proto__` and `constructor` are names like any other: `JSON.parse` makes own properties of them. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError('malformed_request', 'The body is not valid JSON.');
  }
}

async function refuseType({ routeOptions }: FastifyRequest): Promise<never> {
  const detail = routeOptions.config.expectedBody ?? 'Send application/json.';
  return Promise.reject(new GatewayError('unsupported_media_type', detail));
}

function read(payload: Payload, limit: number): Promise<RawBody> {
  return new Promise((resolve, reject) =>
    collect(payload, limit, (error, body) => (body === undefined ? reject(error) : resolve(body))),
  );
}

/**
 * Reads up to `limit` bytes. What comes after them is thrown away as it comes: the next request on the
 * connection stands behind it, and the connection must live until it has the answer.
 */
function collect(payload: Payload, limit: number, done: Done<RawBody>): void {
  const parts: Buffer[] = [];
  let size = 0;
  let isDone = false;
  const finish = (error: Error | null, body?: RawBody): void => {
    if (isDone) return;
    isDone = true;
    done(error, body);
  };
  const succeed = (): void => {
    const [first] = parts;
    const bytes = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
    finish(null, new RawBody(bytes, size <= limit));
  };
  payload.on('data', (part: Buffer) => {
    if (size > limit) return;
    size += part.length;
    if (size > limit) succeed();
    else parts.push(part);
  });
  payload.on('end', succeed);
  payload.on('error', finish);
  payload.on('close', () => {
    if (!payload.complete) finish(new GatewayError('malformed_request', 'The body was cut off.'));
  });
}
