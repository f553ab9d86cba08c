import { evaluateCrossOriginRequest } from '@nestjs/core/security/cross-origin-protection.js';
import type { FastifyRequest } from 'fastify';
import type { AddressBlock } from '../../platform/config/setting-kinds.js';
import { clientAddress, isWithin } from '../../platform/http/client-address.js';

/** What a request says of where it comes from, as far as that can be believed. */
export interface RequestOrigin {
  readonly address: string;
  readonly https: boolean;
  /** Whether it comes from a page of this very site, or from no page at all. */
  readonly sameSite: boolean;
}

type Asked = Pick<FastifyRequest, 'method' | 'headers' | 'socket'>;

export function originOf(
  { method, headers, socket }: Asked,
  trustedProxies: readonly AddressBlock[],
): RequestOrigin {
  const peer = socket.remoteAddress ?? '';
  const address = clientAddress(peer, headerOf(headers, 'x-forwarded-for'), trustedProxies);
  const proxied = isWithin(clientAddress(peer, undefined, []), trustedProxies);
  const forwarded = (name: string): string | undefined =>
    proxied ? headerOf(headers, name)?.split(',')[0]?.trim() : undefined;
  const host = forwarded('x-forwarded-host') ?? headers.host;
  const site = headerOf(headers, 'sec-fetch-site');
  const decision = evaluateCrossOriginRequest({
    method,
    ...(site === undefined ? {} : { secFetchSite: site }),
    ...(headers.origin === undefined ? {} : { origin: headers.origin }),
    ...(host === undefined ? {} : { host }),
  });
  const encrypted = 'encrypted' in socket && socket.encrypted === true;
  return {
    address,
    https: encrypted || forwarded('x-forwarded-proto')?.toLowerCase() === 'https',
    sameSite: decision.allowed,
  };
}

function headerOf(headers: Asked['headers'], name: string): string | undefined {
  return headers[name]?.toString();
}
