import { Injectable } from '@nestjs/common';
import { RefusalRecorder } from '../../audit/refusal-recorder.js';
import { GUARDS } from '../../audit/refusal.js';
import { toCounted, toRefusal, type ReceivedCallback } from '../guards/received-callback.js';

/** Records callbacks that guards in mode `observe` would have refused, and messages of other environments. */
@Injectable()
export class ObservedRefusals {
  constructor(private readonly recorder: RefusalRecorder) {}

  recordObserved(callback: ReceivedCallback): void {
    for (const guard of GUARDS) {
      const verdict = callback.verdicts[guard];
      if (verdict.result === 'observed') {
        const { cause } = verdict;
        const record = this.recorder.recordRefusal(toCounted(callback, cause, 'observed'));
        record?.(toRefusal(callback, cause, 200));
      }
    }
  }
}
