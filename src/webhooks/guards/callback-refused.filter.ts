import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from '../../platform/errors/send-problem.js';
import { CallbackRefusals } from '../receiving/callback-refusals.js';
import { MismatchedCallbacks } from '../receiving/mismatched-callbacks.js';
import { CallbackRefused, callbackOf } from './received-callback.js';

/** Records the refusal of a callback and answers. */
@Catch(CallbackRefused)
export class CallbackRefusedFilter implements ExceptionFilter<CallbackRefused> {
  constructor(
    private readonly refusals: CallbackRefusals,
    private readonly mismatches: MismatchedCallbacks,
  ) {}

  async catch({ cause }: CallbackRefused, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const callback = callbackOf(request);
    // If it fails, Reducto repeats the refused callback.
    if (callback.mismatchedJob !== undefined)
      await this.mismatches.discardUpstream(callback).catch(() => undefined);
    sendProblem(reply, await this.refusals.refuseCallback(cause, callback, { request, reply }));
  }
}
