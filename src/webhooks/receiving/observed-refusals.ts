import { Injectable } from '@nestjs/common';
import { RefusalRecorder } from '../../audit/refusal-recorder.js';
import { GUARDS } from '../../audit/refusal.js';
import { countedOf, refusalOf, type ReceivedCallback } from '../guards/received-callback.js';

/** Records what guards that only observe would have refused, and genuine messages that are not for us. */
@Injectable()
export class ObservedRefusals {
  constructor(private readonly recorder: RefusalRecorder) {}

  record(callback: ReceivedCallback): void {
    for (const guard of GUARDS) {
      const verdict = callback.verdicts[guard];
      if (verdict.result === 'observed') {
        const { cause } = verdict;
        const record = this.recorder.recordRefusal(countedOf(callback, cause, 'observed'));
        record?.(refusalOf(callback, cause, 200));
      }
    }
  }
}
