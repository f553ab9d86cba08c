import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallbackBodyReader } from '../receiving/callback-body.reader.js';
import { CallbackChecks } from '../callback-checks.js';
import { callbackOf, recordVerdict } from './received-callback.js';

/** Has the request the form of a callback? Reads the body, which the next guards need. */
@Injectable()
export class WellFormedGuard implements CanActivate {
  constructor(
    private readonly checks: CallbackChecks,
    private readonly reader: CallbackBodyReader,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const callback = callbackOf(request);
    callback.body = await this.reader.readBody(request, http.getResponse<FastifyReply>());
    return recordVerdict(callback, 'well_formed', 'enforce', () => {
      const { verdict, found } = this.checks.checkForm(callback);
      if (found !== undefined) callback.message = found;
      return verdict;
    });
  }
}
