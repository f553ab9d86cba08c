import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

/** One call for the random bytes of many ids costs as much as for those of one. */
const pool = Buffer.allocUnsafe(4096);
const RANDOM_BYTES = 16;
let used = pool.length;

let milliseconds = 0;
let sequence = 0;

/** A new UUIDv7, greater than all that this process made before. */
export function timeOrderedId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, (used += RANDOM_BYTES));
  const now = Date.now();
  // Half of the range is left for further ids of this millisecond.
  sequence = now > milliseconds ? random.readUInt32BE(6) >>> 1 : sequence + 1;
  milliseconds = Math.max(milliseconds, now);
  return uuidv7({ random, msecs: milliseconds, seq: sequence });
}
