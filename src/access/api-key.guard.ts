import { Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../platform/errors/error-codes.js';
import { addLogFields } from '../platform/logging/log-context.js';
import type { Scope } from './api-key.entity.js';
import { ApiKeysService } from './api-keys.service.js';
import type { Caller } from './caller.js';

const SCOPE = 'access:scope';

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

/** The scope that a controller or route asks for. */
export const NeedsScope = (scope: Scope): MethodDecorator & ClassDecorator =>
  SetMetadata(SCOPE, scope);

/** Asks: does the request carry a valid API key with the scope that the route needs? */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly keys: ApiKeysService,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const caller = await this.callerOf(request.headers.authorization);
    const scope = this.reflector.getAllAndOverride<Scope | undefined>(SCOPE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (scope !== undefined && !caller.scopes.includes(scope)) {
      throw new GatewayError('forbidden', `This needs an API key with the scope "${scope}".`);
    }
    request.caller = caller;
    addLogFields({ service: caller.service });
    return true;
  }

  private async callerOf(header: string | undefined): Promise<Caller> {
    const key = /^bearer +(\S{1,512})$/i.exec(header?.trim() ?? '')?.[1];
    if (key === undefined) {
      throw new GatewayError(
        'unauthenticated',
        'Send the header "Authorization: Bearer <API key>".',
      );
    }
    const caller = await this.keys.authenticate(key);
    if (caller === undefined) {
      throw new GatewayError('unauthenticated', 'This API key is unknown or revoked.');
    }
    return caller;
  }
}
