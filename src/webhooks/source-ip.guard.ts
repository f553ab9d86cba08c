import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../platform/config/settings.js';
import { RawBody } from '../platform/http/body-parsers.js';
import { clientAddress, isWithin } from './client-address.js';
import { emptyVerdicts, enter, receivedCallback } from './received-callback.js';

/** Asks: does the callback come from an address that may send callbacks? */
@Injectable()
export class SourceIpGuard implements CanActivate {
  constructor(private readonly settings: Settings) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = receivedCallback(request, () => {
      const peer = request.socket.remoteAddress ?? '';
      const forwardedFor = request.headers['x-forwarded-for']?.toString();
      return {
        peerAddress: clientAddress(peer, undefined, []),
        clientAddress: clientAddress(peer, forwardedFor, this.settings.TRUSTED_PROXIES),
        forwardedFor: forwardedFor?.slice(0, 500) ?? null,
        body: request.body instanceof RawBody ? request.body : new RawBody(Buffer.alloc(0), true),
        verdicts: emptyVerdicts(),
      };
    });
    return enter(callback, 'source_ip', this.settings.GUARD_SOURCE_IP, () => {
      const allowlist = this.settings.WEBHOOK_IP_ALLOWLIST;
      if (allowlist.length === 0) return { result: 'pass', detail: 'no allowlist' };
      return isWithin(callback.clientAddress, allowlist)
        ? { result: 'pass' }
        : { result: 'fail', cause: 'address_not_allowed' };
    });
  }
}
