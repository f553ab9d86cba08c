import { Injectable } from '@nestjs/common';
import { Settings } from './settings.js';

/** How long a stop may still take. Parts of the gateway stop one after the other, and share one time for it. */
@Injectable()
export class ShutdownDeadline {
  private endsAt: number | undefined;

  constructor(private readonly settings: Settings) {}

  /** Never negative. The first who asks begins the stop. */
  get leftMilliseconds(): number {
    this.endsAt ??= performance.now() + this.settings.SHUTDOWN_TIMEOUT_SECONDS * 1000;
    return Math.max(this.endsAt - performance.now(), 0);
  }
}
