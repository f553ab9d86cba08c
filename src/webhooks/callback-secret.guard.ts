import type { IncomingHttpHeaders } from 'node:http';
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { RefusalCause, Verdict } from '../audit/refusal.js';
import { JobTokens } from '../jobs/job-token.js';
import { Settings } from '../platform/config/settings.js';
import { enter, receivedCallback, type ReceivedCallback } from './received-callback.js';
import { SvixSignatures } from './svix-signature.js';

/**
 * Asks: does the sender know a secret? A message with the headers of Svix must be signed, over its
 * raw bytes; any other must bring the token that the gateway gave this very job. No database.
 */
@Injectable()
export class CallbackSecretGuard implements CanActivate {
  constructor(
    private readonly settings: Settings,
    private readonly tokens: JobTokens,
    private readonly signatures: SvixSignatures,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const callback = receivedCallback(request);
    return enter(callback, 'secret', this.settings.GUARD_SECRET, () => {
      const { verdict, provedBy } = this.judge(request.headers, callback);
      if (provedBy !== undefined) callback.provedBy = provedBy;
      return verdict;
    });
  }

  judge(headers: IncomingHttpHeaders, { message, body }: ReceivedCallback): SecretJudgement {
    if (this.signatures.isClaimed(headers)) {
      const signature = this.signatures.verify(headers, body.bytes);
      if (!signature.valid) return failed(signature.cause);
      return {
        verdict: { result: 'pass', detail: `svix secret ${signature.secret}` },
        provedBy: 'svix',
      };
    }
    if (message?.gatewayJobId === undefined || message.token === undefined)
      return failed('token_missing');
    const version = this.tokens.verify(message.gatewayJobId, message.token);
    if (version === undefined) return failed('token_invalid');
    return { verdict: { result: 'pass', detail: `token key ${version}` }, provedBy: 'token' };
  }
}

interface SecretJudgement {
  readonly verdict: Verdict;
  readonly provedBy?: 'token' | 'svix';
}

function failed(cause: RefusalCause): SecretJudgement {
  return { verdict: { result: 'fail', cause } };
}
