import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from '../../platform/errors/send-problem.js';
import { CallbackRefusals } from '../receiving/callback-refusals.js';
import { CallbackRefused, callbackOf } from './received-callback.js';

/** Records the refusal of a callback and answers. */
@Catch(CallbackRefused)
export class CallbackRefusedFilter implements ExceptionFilter<CallbackRefused> {
  constructor(private readonly refusals: CallbackRefusals) {}

  catch(refused: CallbackRefused, host: ArgumentsHost): void | Promise<void> {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const callback = callbackOf(request);
    const answer = this.refusals.refuse(refused, callback, { request, reply });
    if (!(answer instanceof Promise)) return sendProblem(reply, answer);
    return answer.then((late) => sendProblem(reply, late));
  }
}
