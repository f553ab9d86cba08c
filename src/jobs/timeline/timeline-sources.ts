import { Injectable } from '@nestjs/common';
import type { JobEventType } from './job-event.entity.js';

/** An entry of a timeline that another feature holds. */
export interface OutsideEntry {
  readonly at: Date;
  readonly type: JobEventType;
  readonly detail: Record<string, unknown>;
}

/** The entries for the job with this id. */
export type TimelineSource = (jobId: string) => Promise<readonly OutsideEntry[]>;

/** Features above jobs that add to timelines. */
@Injectable()
export class TimelineSources {
  private readonly sources: TimelineSource[] = [];

  add(source: TimelineSource): void {
    this.sources.push(source);
  }

  async entriesOf(jobId: string): Promise<OutsideEntry[]> {
    return (await Promise.all(this.sources.map((source) => source(jobId)))).flat();
  }
}
