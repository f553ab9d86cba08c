import { Injectable, Logger } from '@nestjs/common';

/** After it, a submit asks again: the deployment may have been upgraded. */
const RECHECK_MILLISECONDS = 3_600_000;

/**
 * Whether this Reducto has `/classify_async`, which came with version 1.12.16. Each process learns that from the answer
 * to a submit.
 */
@Injectable()
export class ClassifyEndpoint {
  private readonly logger = new Logger(ClassifyEndpoint.name);
  private absentUntil = -Infinity;

  get isAbsent(): boolean {
    return performance.now() < this.absentUntil;
  }

  recordAbsent(): void {
    if (this.isAbsent) return;
    this.absentUntil = performance.now() + RECHECK_MILLISECONDS;
    this.logger.warn({
      msg: 'Reducto has no /classify_async; the gateway makes synchronous calls',
      recheckInSeconds: RECHECK_MILLISECONDS / 1000,
    });
  }
}
