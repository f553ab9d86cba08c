import { METHODS } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyInstance, preHandlerHookHandler } from 'fastify';
import { sendProblem } from '../platform/errors/send-problem.js';
import { CallbackChecks } from './callback-checks.js';
import { CALLBACK_PATH } from './callback-probe.js';
import { CallbackRefusals } from './callback-refusals.js';
import { CallbackSecretGuard } from './callback-secret.guard.js';
import { callbackOf } from './received-callback.js';
import { SourceIpGuard } from './source-ip.guard.js';
import type { StatelessGuard } from './stateless.guard.js';
import { WellFormedGuard } from './well-formed.guard.js';

/**
 * Asks the guards that need no database before the request goes through the framework, which for a refusal costs
 * more than all the checks. The guards of the route stay what decides: without this they would ask the same, in the
 * same order, and what has been asked here is not asked again.
 */
@Injectable()
export class EarlyRefusals {
  private readonly guards: readonly StatelessGuard[];

  constructor(
    private readonly checks: CallbackChecks,
    private readonly refusals: CallbackRefusals,
    sourceIp: SourceIpGuard,
    wellFormed: WellFormedGuard,
    secret: CallbackSecretGuard,
  ) {
    this.guards = [sourceIp, wellFormed, secret];
  }

  /** Call it before any route is declared. */
  register(fastify: FastifyInstance): void {
    // `@All()` is all that Fastify knows: of others the guards, and with them the audit, would never hear.
    for (const method of METHODS.filter((name) => !fastify.supportedMethods.includes(name))) {
      fastify.addHttpMethod(method, { hasBody: true });
    }
    const ask: preHandlerHookHandler = (request, reply, done) => {
      const callback = callbackOf(request, this.checks);
      for (const guard of this.guards) {
        const refused = guard.check(callback);
        if (refused !== undefined) {
          return sendProblem(reply, this.refusals.refuse(refused, callback));
        }
      }
      done();
    };
    fastify.addHook('onRoute', (route) => {
      if (route.url === CALLBACK_PATH) {
        route.preHandler = [...[route.preHandler ?? []].flat(), ask];
      }
    });
  }
}
