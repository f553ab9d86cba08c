import { Injectable } from '@nestjs/common';
import { enter, type CallbackRefused, type ReceivedCallback } from './received-callback.js';
import { StatelessGuard } from './stateless.guard.js';

/** Asks: does the callback come from an address that may send callbacks? */
@Injectable()
export class SourceIpGuard extends StatelessGuard {
  check(callback: ReceivedCallback): CallbackRefused | undefined {
    return enter(callback, 'source_ip', this.checks.modeOf('source_ip', undefined), () =>
      this.checks.sourceIp(callback.clientAddress),
    );
  }
}
