import { Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../../platform/config/settings.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { addLogFields } from '../../platform/logging/log-context.js';
import { SESSION_COOKIE } from './session-cookie.js';
import { originOf } from './request-origin.js';
import { sameText } from './session-token.js';
import { SessionsService, type Session } from './sessions.service.js';

declare module 'fastify' {
  interface FastifyRequest {
    session?: Session;
  }
}

/** Nobody is signed in (any more): the answer leads to the page where one can. */
export class SignInNeeded extends Error {}

const ACCESS = 'console:access';

/** Who may come: `anybody`, or `watcher`, whose requests do not count as use of the session. */
export const Access = (kind: 'anybody' | 'watcher'): MethodDecorator & ClassDecorator =>
  SetMetadata(ACCESS, kind);

/**
 * Asks: is somebody signed in, and does what changes something come from a form of that session?
 * Neither another site (`Origin`, `Sec-Fetch-Site`) nor one without the token of the form gets through.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(
    private readonly settings: Settings,
    private readonly sessions: SessionsService,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const targets = [context.getHandler(), context.getClass()];
    const access = this.reflector.getAllAndOverride<string | undefined>(ACCESS, targets);
    const { address, sameSite } = originOf(request, this.settings.TRUSTED_PROXIES);
    if (!sameSite) {
      throw new GatewayError('forbidden', 'This request comes from another site.');
    }
    const cookie = request.cookies[SESSION_COOKIE];
    const { session, waitSeconds } = await this.sessions.findSession(cookie, address);
    if (session !== undefined) request.session = session;
    if (access === 'anybody') return true;
    if (waitSeconds !== undefined) {
      throw new GatewayError('too_many_requests', 'Too many unknown sessions came from here.', {
        retryAfterSeconds: waitSeconds,
      });
    }
    if (session === undefined) throw new SignInNeeded();
    addLogFields({ service: session.actor.service });
    if (request.method !== 'GET' && request.method !== 'HEAD') checkForm(session, request.body);
    if (access !== 'watcher') await this.sessions.noteUse(session);
    return true;
  }
}

function checkForm({ csrf }: Session, body: unknown): void {
  const given = body instanceof URLSearchParams ? body.get('csrf') : null;
  if (given !== null && sameText(given, csrf)) return;
  throw new GatewayError(
    'forbidden',
    'This form is not of your present session. Go back, reload the page and try again.',
  );
}
