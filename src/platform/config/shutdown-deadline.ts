import { Injectable } from '@nestjs/common';
import { Settings } from './settings.js';

/** The rest of the shutdown timeout, which all parts of the gateway share. */
@Injectable()
export class ShutdownDeadline {
  private endsAt: number | undefined;

  constructor(private readonly settings: Settings) {}

  /** Never negative. The first call starts the timeout. */
  get leftMilliseconds(): number {
    this.endsAt ??= performance.now() + this.settings.SHUTDOWN_TIMEOUT_SECONDS * 1000;
    return Math.max(this.endsAt - performance.now(), 0);
  }
}
