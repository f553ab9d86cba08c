import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { BatchWork } from '../../platform/work/due-work.js';
import { WorkEngine } from '../../platform/work/work-engine.js';
import { DependentJobs } from './dependent-jobs.js';

/** Due work: wakes dependents that the statement which ended their input has left asleep, because they were many. */
@Injectable()
export class WakeUpWork implements BatchWork, OnModuleInit {
  readonly name = 'wake_up';
  /** The function `wake_dependents` of the migrations announces it. */
  readonly topic = 'wake_ups';
  readonly batchSize = 1;
  // Jobs that are awake already are sent first.
  readonly yieldsWhenBusy = true;

  constructor(
    private readonly engine: WorkEngine,
    private readonly dependents: DependentJobs,
  ) {}

  onModuleInit(): void {
    this.engine.addBatch(this);
  }

  /** Returns the number of inputs. */
  perform(): Promise<number> {
    return this.dependents.wakeMore();
  }
}
