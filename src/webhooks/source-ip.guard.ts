import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RawBody } from '../platform/http/body-parsers.js';
import { CallbackChecks } from './callback-checks.js';
import { clientAddress } from './client-address.js';
import { emptyVerdicts, enter, type ReceivedCallback } from './received-callback.js';

/** Asks: does the callback come from an address that may send callbacks? */
@Injectable()
export class SourceIpGuard implements CanActivate {
  constructor(private readonly checks: CallbackChecks) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = (request.callback = this.open(request));
    return enter(callback, 'source_ip', this.checks.modeOf('source_ip', undefined), () =>
      this.checks.sourceIp(callback.clientAddress),
    );
  }

  private open(request: FastifyRequest): ReceivedCallback {
    const { method, headers, body, id: requestId, url: path } = request;
    const peerAddress = clientAddress(request.socket.remoteAddress ?? '', undefined, []);
    return {
      requestId,
      method,
      path,
      headers,
      peerAddress,
      clientAddress: this.checks.clientOf({ peerAddress, headers }),
      body: body instanceof RawBody ? body : new RawBody(Buffer.alloc(0), true),
      receivedAt: new Date(),
      verdicts: emptyVerdicts(),
    };
  }
}
