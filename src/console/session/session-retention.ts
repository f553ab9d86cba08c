import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { IntervalScheduler } from '../../platform/schedule/interval-scheduler.js';
import { SessionStore } from './session.store.js';

/** Removes sign-ins that are over, also where nobody signs in any more. */
@Injectable()
export class SessionRetention implements OnApplicationBootstrap {
  constructor(
    private readonly settings: Settings,
    private readonly scheduler: IntervalScheduler,
    private readonly sessions: SessionStore,
  ) {}

  onApplicationBootstrap(): void {
    const { RETENTION_INTERVAL_SECONDS: seconds } = this.settings;
    this.scheduler.every(seconds, 'console sessions', () => this.sweep());
  }

  sweep(): Promise<void> {
    return this.sessions.removeEnded(this.settings.CONSOLE_IDLE_MINUTES);
  }
}
