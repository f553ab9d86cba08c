import { Injectable } from '@nestjs/common';
import { enter, type CallbackRefused, type ReceivedCallback } from './received-callback.js';
import { StatelessGuard } from './stateless.guard.js';

/** Asks: does the sender know a secret, our token for this job or the key of a Svix signature? */
@Injectable()
export class CallbackSecretGuard extends StatelessGuard {
  check(callback: ReceivedCallback): CallbackRefused | undefined {
    return enter(callback, 'secret', this.checks.modeOf('secret', undefined), () => {
      const { verdict, found } = this.checks.secret(callback, callback.message);
      if (found !== undefined) callback.provedBy = found;
      return verdict;
    });
  }
}
