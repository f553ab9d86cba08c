import { setTimeout } from 'node:timers/promises';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

export type CheckResult = 'up' | 'down';

/** Longer than a healthy answer takes, shorter than any prober waits. */
const PATIENCE_MILLISECONDS = 2000;

@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private stopping = false;

  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** From here on a load balancer should send new requests elsewhere. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
  }

  /** Every dependency by name. */
  async check(): Promise<Record<string, CheckResult>> {
    return { database: await this.database(), process: this.stopping ? 'down' : 'up' };
  }

  private async database(): Promise<CheckResult> {
    const late = setTimeout(PATIENCE_MILLISECONDS, 'down' as const, { ref: false });
    const answer = this.dataSource.query('SELECT 1').then(
      () => 'up' as const,
      () => 'down' as const,
    );
    return Promise.race([answer, late]);
  }
}
