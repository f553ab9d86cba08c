import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { RefusalCause } from '../audit/refusal.js';
import { parseJson, readMessage } from './callback-message.js';
import { enter, receivedCallback, type ReceivedCallback } from './received-callback.js';

/** Asks: is this a callback at all? Without that, the guards after it have nothing to check. */
@Injectable()
export class WellFormedGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = receivedCallback(request);
    return enter(callback, 'well_formed', 'enforce', () => {
      const cause = this.fault(request, callback);
      return cause === undefined ? { result: 'pass' } : { result: 'fail', cause };
    });
  }

  private fault(request: FastifyRequest, callback: ReceivedCallback): RefusalCause | undefined {
    if (request.method !== 'POST') return 'wrong_method';
    // The headers of direct callbacks are not documented: none at all counts as JSON.
    const type = request.headers['content-type'];
    if (type !== undefined && !/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type))
      return 'wrong_content_type';
    if (!callback.body.complete) return 'too_large';
    const body = parseJson(callback.body.bytes);
    if (body === undefined) return 'not_json';
    const message = readMessage(body);
    if (message === undefined) return 'not_a_callback';
    callback.message = message;
    return undefined;
  }
}
