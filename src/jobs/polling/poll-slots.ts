import { Injectable } from '@nestjs/common';
import { Settings } from '../../platform/config/settings.js';
import { Slots } from '../../platform/work/slots.js';

/** Slots for polls: `POLL_CONCURRENCY` in each process. */
@Injectable()
export class PollSlots extends Slots {
  constructor({ POLL_CONCURRENCY }: Settings) {
    super(POLL_CONCURRENCY);
  }
}
