import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyRequest, preHandlerHookHandler } from 'fastify';
import type { TokenKey } from '../platform/config/setting-kinds.js';
import type { Settings } from '../platform/config/settings.js';
import { clientAddress, isWithin } from '../platform/http/client-address.js';

/*
 * `gateway doctor` sends a probe to the callback address. Request and answer are signed with a key derived from
 * TOKEN_KEYS, so both must come from this installation. The gateway handles a probe with an invalid signature like
 * any callback; a valid one has no effect.
 */

export const PROBE_HEADER = 'x-gateway-doctor';
export const CALLBACK_PATH = '/webhooks/reducto';

export interface ProbeAnswer {
  /** The client address, as the guard of the source address sees it. */
  readonly clientAddress: string;
  /** Whether callbacks from this address pass the allowlist. */
  readonly allowed: boolean;
}

/** The request header and the expected answer header. */
export function newProbe(key: TokenKey): { readonly ask: string; readonly answer: string } {
  const nonce = randomBytes(18).toString('base64url');
  return { ask: `${nonce}.${sign(key, 'ask', nonce)}`, answer: sign(key, 'answer', nonce) };
}

/** The answer header; `undefined` if none of `keys` has signed `ask`. */
export function answerOf(keys: readonly TokenKey[], ask: string): string | undefined {
  const [nonce = '', mac = ''] = ask.split('.');
  if (nonce.length !== 24) return undefined;
  const key = keys.find((candidate) => same(sign(candidate, 'ask', nonce), mac));
  return key && sign(key, 'answer', nonce);
}

/** Registers every HTTP method, so that the guards refuse and the audit records wrong ones. */
export function registerAllMethods(fastify: FastifyInstance): void {
  for (const method of METHODS.filter((name) => !fastify.supportedMethods.includes(name))) {
    fastify.addHttpMethod(method, { hasBody: false });
  }
}

/** Answers probes before the guards run. Call it before the routes are registered. */
export function answerProbes(fastify: FastifyInstance, settings: Settings): void {
  const keys = settings.TOKEN_KEYS ?? [];
  const answerProbe: preHandlerHookHandler = (request, reply, done) => {
    const ask = request.headers[PROBE_HEADER];
    if (typeof ask !== 'string') return done();
    const answer = request.method === 'POST' ? answerOf(keys, ask) : undefined;
    if (answer === undefined) return done();
    void reply.header(PROBE_HEADER, answer).send(describe(request, settings));
  };
  fastify.addHook('onRoute', (route) => {
    if (route.url === CALLBACK_PATH) {
      route.preHandler = [...[route.preHandler ?? []].flat(), answerProbe];
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
