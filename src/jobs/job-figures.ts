import { Injectable } from '@nestjs/common';
import type { TerminalStatus } from './job-status.js';
import type { MovedJob } from './job.store.js';

@Injectable()
export class JobFigures {
  ended(_status: TerminalStatus, _job: MovedJob | undefined, _code?: string): void {}
}
