import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { Slots } from '../../platform/work/slots.js';

/** Slots for submits: `SUBMIT_CONCURRENCY` in each process. */
@Injectable()
export class SubmissionSlots extends Slots {
  constructor({ SUBMIT_CONCURRENCY }: Settings) {
    super(SUBMIT_CONCURRENCY);
  }
}
