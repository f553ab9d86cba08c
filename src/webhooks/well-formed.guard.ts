import { Injectable } from '@nestjs/common';
import { enter, type CallbackRefused, type ReceivedCallback } from './received-callback.js';
import { StatelessGuard } from './stateless.guard.js';

/** Asks: is this a callback at all? Without that, the guards after it have nothing to check. */
@Injectable()
export class WellFormedGuard extends StatelessGuard {
  check(callback: ReceivedCallback): CallbackRefused | undefined {
    return enter(callback, 'well_formed', 'enforce', () => {
      const { verdict, found } = this.checks.form(callback);
      if (found !== undefined) callback.message = found;
      return verdict;
    });
  }
}
