import {
  applyDecorators,
  Injectable,
  SetMetadata,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBearerAuth } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../platform/errors/error-codes.js';
import type { Scope } from './api-key.entity.js';

const SCOPE = 'access:scope';

/** Does the API key have the scope of the route? */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
    if (caller === undefined) throw new GatewayError('unauthenticated');
    const scope = this.reflector.getAllAndOverride<Scope | undefined>(SCOPE, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (scope !== undefined && !caller.scopes.includes(scope)) {
      throw new GatewayError('forbidden', `This needs an API key with the scope "${scope}".`);
    }
    return true;
  }
}

/** Lets only requests with an API key of this scope reach a controller. */
export const RequiresScope = (scope: Scope): ClassDecorator =>
  applyDecorators(SetMetadata(SCOPE, scope), UseGuards(ApiKeyGuard), ApiBearerAuth());
