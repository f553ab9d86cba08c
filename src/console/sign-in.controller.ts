import { Controller, Get, Post, Query, Redirect, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { h } from 'preact';
import { Settings } from '../platform/config/settings.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { ConsolePages } from './console-pages.decorator.js';
import { Page } from './components/page.js';
import { originOf } from './session/request-origin.js';
import { setSessionCookie, clearSessionCookie } from './session/session-cookie.js';
import { CurrentSession, Form } from './session/session.decorator.js';
import { Access } from './session/session.guard.js';
import { SessionsService, type Session } from './session/sessions.service.js';
import { SignInRefused } from './session/sign-in-refused.js';
import { SignIn } from './pages/sign-in.page.js';

@ConsolePages()
@Controller('admin')
export class SignInController {
  constructor(
    private readonly settings: Settings,
    private readonly sessions: SessionsService,
  ) {}

  @Get('sign-in')
  @Access('anybody')
  show(@Query() query: Record<string, unknown>): Page {
    const properties = { next: safeNext(query['next']), signedOut: query['done'] === 'signed-out' };
    return new Page('Sign in', undefined, h(SignIn, properties));
  }

  @Post('sign-in')
  @Access('anybody')
  @Redirect('/admin', 303)
  async begin(
    @Form() form: URLSearchParams,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ url: string }> {
    const next = safeNext(form.get('next'));
    const { address, https } = originOf(request, this.settings.TRUSTED_PROXIES);
    try {
      const session = await this.sessions.beginSession(form.get('key')?.trim() ?? '', address);
      setSessionCookie(reply, session.token, {
        prefix: this.settings.pathPrefix,
        https,
        hours: this.settings.CONSOLE_SESSION_HOURS,
      });
    } catch (thrown) {
      throw refused(thrown, next);
    }
    if (request.session !== undefined) await this.sessions.endSession(request.session);
    return { url: next };
  }

  @Post('sign-out')
  @Redirect('/admin/sign-in?done=signed-out', 303)
  async end(
    @CurrentSession() session: Session,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    await this.sessions.endSession(session);
    clearSessionCookie(reply, this.settings.pathPrefix);
  }
}

/** Only into the console: a link to the sign-in must not lead elsewhere. */
export function safeNext(next: unknown): string {
  return typeof next === 'string' && /^\/admin(?:[/?][\w\-./?=&%:+~,]*)?$/.test(next)
    ? next
    : '/admin';
}

function refused(thrown: unknown, next: string): unknown {
  if (!(thrown instanceof GatewayError) || thrown.status >= 500) return thrown;
  if (thrown.code !== 'forbidden') return new SignInRefused(thrown, next);
  const detail = 'This API key is valid, but does not have the scope admin.';
  return new SignInRefused(new GatewayError('forbidden', detail), next);
}
