import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { h } from 'preact';
import type { GatewayError } from '../platform/errors/error-codes.js';
import { toGatewayError } from '../platform/errors/problem.filter.js';
import { ErrorMessage } from './pages/error.page.js';
import { Page } from './components/page.js';
import { PageRenderer } from './layout/page-renderer.js';
import { SignInNeeded } from './session/session.guard.js';
import { SignIn } from './pages/sign-in.page.js';
import { SignInRefused } from './session/sign-in-refused.js';

/** Answers errors as pages. Who is not signed in gets to the page where one can, and back afterwards. */
@Catch()
export class ConsoleErrorsFilter implements ExceptionFilter {
  private readonly logger = new Logger('Console');

  constructor(private readonly renderer: PageRenderer) {}

  async catch(thrown: unknown, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    // A file that broke off: ending the connection is all that tells the browser.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    if (thrown instanceof SignInNeeded) {
      const next = request.method === 'GET' ? `?next=${encodeURIComponent(request.url)}` : '';
      await reply.redirect(`/admin/sign-in${next}`, 303);
      return;
    }
    const error = thrown instanceof SignInRefused ? thrown.error : toGatewayError(thrown);
    if (error.status >= 500) this.log(error);
    if (error.options.retryAfterSeconds !== undefined) {
      void reply.header('retry-after', String(Math.ceil(error.options.retryAfterSeconds)));
    }
    const page =
      thrown instanceof SignInRefused
        ? new Page('Sign in', undefined, h(SignIn, { next: thrown.next, problem: error.message }))
        : new Page('Error', undefined, h(ErrorMessage, { error, requestId: request.id }));
    const html = await this.renderer.render(page, request.session);
    await reply.status(error.status).type('text/html; charset=utf-8').send(html);
  }

  private log(error: GatewayError): void {
    this.logger.error({
      msg: 'request failed',
      code: error.code,
      err: error.options.cause ?? error,
    });
  }
}
