import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallbackChecks } from '../callback-checks.js';
import { callbackOf, recordVerdict } from './received-callback.js';

/** Is the client address in the allowlist? */
@Injectable()
export class SourceIpGuard implements CanActivate {
  constructor(private readonly checks: CallbackChecks) {}

  canActivate(context: ExecutionContext): true | Promise<never> {
    const callback = callbackOf(context.switchToHttp().getRequest<FastifyRequest>());
    callback.clientAddress = this.checks.clientOf(callback);
    const mode = this.checks.modeOf('source_ip', undefined);
    return recordVerdict(callback, 'source_ip', mode, () =>
      this.checks.checkSourceIp(callback.clientAddress),
    );
  }
}
