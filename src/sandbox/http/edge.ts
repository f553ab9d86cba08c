import { FastifyRequest } from 'fastify';
import { htmlError, namedError, tooManyRequests } from '../api-error.js';
import { Backend } from '../backend.js';

/** The checks in front of the API, in an edge's order: rate limits, outages, API keys. */
export class Edge {
  readonly #calls = new PerSecond();
  readonly #jobReads = new PerSecond();

  constructor(private readonly backend: Backend) {}

  admit(request: FastifyRequest): void {
    this.#limit(request);
    const { outageStatus, auth, htmlForbidden } = this.backend.platform.current;
    if (outageStatus > 0) throw htmlError(outageStatus, 'Service Temporarily Unavailable');
    if (auth === 'off' || request.routeOptions.url === '/version') return;
    const { authorization } = request.headers;
    if (authorization === undefined && htmlForbidden) throw htmlError(403, 'Forbidden');
    checkKey(authorization, this.backend.options.apiKeys);
  }

  #limit(request: FastifyRequest): void {
    const { rateLimitPerSecond, jobReadsPerSecond, rateLimitFlavour, retryAfterSeconds } =
      this.backend.platform.current;
    const isJobRead = request.method === 'GET' && request.routeOptions.url === '/job/:id';
    if (isJobRead && this.#jobReads.exceeds(jobReadsPerSecond)) {
      throw tooManyRequests(2000, retryAfterSeconds);
    }
    if (!this.#calls.exceeds(rateLimitPerSecond)) return;
    switch (rateLimitFlavour) {
      case 'code1000':
        throw tooManyRequests(1000, retryAfterSeconds);
      case 'bare429':
        throw tooManyRequests(undefined, retryAfterSeconds);
      case 'html503':
        throw htmlError(503, 'Service Temporarily Unavailable');
    }
  }
}

/** The messages are INFERRED. */
function checkKey(authorization: string | undefined, keys: readonly string[]): void {
  const key = /^Bearer\s+(?<key>\S+)$/iu.exec(authorization ?? '')?.groups?.['key'];
  if (key === undefined) throw namedError(401, 'AUTH_ERROR', 'An access token is required');
  if (!keys.includes(key)) throw namedError(401, 'AUTH_ERROR', 'Invalid access token');
}

/** Counts calls in windows of one real second. */
class PerSecond {
  #second = 0;
  #calls = 0;

  exceeds(limit: number): boolean {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#calls = 0;
    }
    this.#calls += 1;
    return limit > 0 && this.#calls > limit;
  }
}
