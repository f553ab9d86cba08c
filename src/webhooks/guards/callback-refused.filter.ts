import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from '../../platform/errors/send-problem.js';
import { CallbackRefusals } from '../receiving/callback-refusals.js';
import { CallbackRefused, callbackOf } from './received-callback.js';

/** Records the refusal of a callback and answers. */
@Catch(CallbackRefused)
export class CallbackRefusedFilter implements ExceptionFilter<CallbackRefused> {
  constructor(private readonly refusals: CallbackRefusals) {}

  async catch({ cause }: CallbackRefused, host: ArgumentsHost): Promise<void> {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const callback = callbackOf(request);
    sendProblem(reply, await this.refusals.refuseCallback(cause, callback, { request, reply }));
  }
}
