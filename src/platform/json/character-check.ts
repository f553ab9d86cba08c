import { isUtf8 } from 'node:buffer';

const EMPTY: Buffer = Buffer.alloc(0);

/** Checks that chunks are UTF-8; a character may span chunks. */
export class CharacterCheck {
  /** The beginning of an incomplete character. */
  private rest: Buffer = EMPTY;

  get isCut(): boolean {
    return this.rest.length > 0;
  }

  accept(chunk: Buffer): boolean {
    const bytes = this.isCut ? Buffer.concat([this.rest, chunk]) : chunk;
    const end = bytes.length - lengthOfCutCharacter(bytes);
    this.rest = end === bytes.length ? EMPTY : Buffer.from(bytes.subarray(end));
    return isUtf8(bytes.subarray(0, end));
  }
}

/** Number of bytes at the end that begin an incomplete character. */
function lengthOfCutCharacter(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return whole > length ? length : 0;
  }
  return 0;
}
