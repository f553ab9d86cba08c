import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/error-codes.js';

/** The bytes of a request as they came, for routes that check a signature over them. */
export class RawBody {
  constructor(
    readonly bytes: Buffer,
    /** False where the body was longer than the route allows; `bytes` is its beginning then. */
    readonly complete: boolean,
  ) {}
}

/** Routes that take any body raw, by path, with their limit in bytes. */
export type RawRoutes = ReadonlyMap<string, number>;

/** Beyond what any form of ours has. */
const FORM_LIMIT = 65_536;

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
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  const rawLimit = (request: FastifyRequest): number | undefined =>
    rawRoutes.get(request.routeOptions.url ?? '');

  fastify.removeAllContentTypeParsers();
  const readJson = async (request: FastifyRequest, payload: Payload): Promise<unknown> => {
    const body = await read(payload, jsonLimit);
    if (!body.complete) {
      throw new GatewayError('payload_too_large', `A request can have at most ${jsonLimit} bytes.`);
    }
    if (body.bytes.length === 0) return undefined;
    return new Promise((resolve, reject) => {
      void parseJson(request, body.bytes.toString(), (error, value) => {
        if (error) reject(new GatewayError('malformed_request', 'The body is not valid JSON.'));
        else resolve(value);
      });
    });
  };
  fastify.addContentTypeParser(
    /^application\/([\w.-]+\+)?json(\s*;|$)/i,
    (request: FastifyRequest, payload: Payload) => {
      const limit = rawLimit(request);
      return limit === undefined ? readJson(request, payload) : read(payload, limit);
    },
  );
  fastify.addContentTypeParser(
    'application/x-www-form-urlencoded',
    async (request: FastifyRequest, payload: Payload) => {
      const limit = rawLimit(request);
      if (limit !== undefined) return read(payload, limit);
      if (!request.routeOptions.url?.startsWith(formsBelow)) {
        throw new GatewayError('unsupported_media_type', 'Send application/json.');
      }
      const body = await read(payload, FORM_LIMIT);
      if (!body.complete) throw new GatewayError('payload_too_large');
      return new URLSearchParams(body.bytes.toString());
    },
  );
  fastify.addContentTypeParser('*', async (request: FastifyRequest, payload: Payload) => {
    const limit = rawLimit(request);
    if (limit !== undefined) return read(payload, limit);
    throw new GatewayError('unsupported_media_type', 'Send application/json.');
  });
}

type Payload = IncomingMessage;

/**
 * Reads up to `limit` bytes. What comes after them is thrown away as it comes: the next request on the
 * connection stands behind it, and the connection must live until it has the answer.
 */
function read(payload: Payload, limit: number): Promise<RawBody> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const done = (): void => resolve(new RawBody(Buffer.concat(parts), size <= limit));
    payload.on('data', (part: Buffer) => {
      if (size > limit) return;
      size += part.length;
      if (size > limit) done();
      else parts.push(part);
    });
    payload.on('end', done);
    payload.on('error', reject);
    payload.on('close', () => {
      if (payload.complete) return;
      reject(new GatewayError('malformed_request', 'The body was cut off.'));
    });
  });
}
