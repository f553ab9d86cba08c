import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyRequest, preHandlerHookHandler } from 'fastify';
import type { TokenKey } from '../platform/config/setting-kinds.js';
import type { Settings } from '../platform/config/settings.js';
import { clientAddress, isWithin } from '../platform/http/client-address.js';

/*
 * How `gateway doctor` asks whether callbacks get here: with a POST to the very address that Reducto calls,
 * signed with a key that is derived from TOKEN_KEYS. Only this installation can ask so that it is answered,
 * and only this installation can answer. A probe changes nothing and is no callback, so it is neither judged
 * nor recorded; one whose signature is wrong is a callback like any other.
 */

export const PROBE_HEADER = 'x-gateway-doctor';
export const CALLBACK_PATH = '/webhooks/reducto';

/** What the gateway says of a probe. */
export interface ProbeAnswer {
  /** From where it came, as the guard of the source address sees it. */
  readonly clientAddress: string;
  /** Whether callbacks may come from there. */
  readonly allowed: boolean;
}

/** A header that asks, and the one that the answer must have. */
export function newProbe(key: TokenKey): { readonly ask: string; readonly answer: string } {
  const nonce = randomBytes(18).toString('base64url');
  return { ask: `${nonce}.${sign(key, 'ask', nonce)}`, answer: sign(key, 'answer', nonce) };
}

/** The header that answers `ask`; `undefined` where none of our keys has signed it. */
export function answerOf(keys: readonly TokenKey[], ask: string): string | undefined {
  const [nonce = '', mac = ''] = ask.split('.');
  if (nonce.length !== 24) return undefined;
  const key = keys.find((candidate) => same(sign(candidate, 'ask', nonce), mac));
  return key && sign(key, 'answer', nonce);
}

/** Lets callbacks come by any method that HTTP knows: of others the guards, and with them the audit, would never hear. */
export function takeEveryMethod(fastify: FastifyInstance): void {
  for (const method of METHODS.filter((name) => !fastify.supportedMethods.includes(name))) {
    fastify.addHttpMethod(method, { hasBody: false });
  }
}

/** Answers probes before any guard is asked. Call it before any route is declared. */
export function answerProbes(fastify: FastifyInstance, settings: Settings): void {
  const keys = settings.TOKEN_KEYS ?? [];
  const ifAsked: preHandlerHookHandler = (request, reply, done) => {
    const ask = request.headers[PROBE_HEADER];
    if (typeof ask !== 'string') return done();
    const answer = request.method === 'POST' ? answerOf(keys, ask) : undefined;
    if (answer === undefined) return done();
    void reply.header(PROBE_HEADER, answer).send(describe(request, settings));
  };
  fastify.addHook('onRoute', (route) => {
    if (route.url === CALLBACK_PATH) {
      route.preHandler = [...[route.preHandler ?? []].flat(), ifAsked];
    }
  });
}

function describe(request: FastifyRequest, settings: Settings): ProbeAnswer {
  const forwardedFor = request.headers['x-forwarded-for']?.toString();
  const peer = clientAddress(request.socket.remoteAddress ?? '', undefined, []);
  const client = clientAddress(peer, forwardedFor, settings.TRUSTED_PROXIES);
  const allowlist = settings.WEBHOOK_IP_ALLOWLIST;
  return {
    clientAddress: client,
    allowed: allowlist.length === 0 || isWithin(client, allowlist),
  };
}

function sign({ key }: TokenKey, what: 'ask' | 'answer', nonce: string): string {
  const derived = Buffer.from(hkdfSync('sha256', key, 'reducto-gateway', 'doctor probe', 32));
  return createHmac('sha256', derived).update(`${what} ${nonce}`).digest('base64url');
}

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
