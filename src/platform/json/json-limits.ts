import { FairTurns } from '../fair-turns.js';

/** More than any JSON Schema, split description, or form needs. Processing costs time per value. */
export const MAX_JSON_VALUES = 20_000;
/** Far more than a JSON Schema needs, and far below a stack overflow of a recursive function. */
export const MAX_JSON_DEPTH = 200;

const PIECE_BYTES = 65_536;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * Returns the limit that a JSON text exceeds, or `undefined`. Builds no objects, so that a text of millions of values is
 * rejected cheaply, before it is parsed. Does not check whether the text is valid JSON.
 */
export function exceededJsonLimit(json: Buffer): string | undefined {
  return new JsonLimitScan().read(json);
}

/** Like `exceededJsonLimit`, in several turns of the event loop. */
export async function exceededJsonLimitFairly(json: Buffer): Promise<string | undefined> {
  const scan = new JsonLimitScan();
  const turns = new FairTurns();
  for (let at = 0; at < json.length; at += PIECE_BYTES) {
    const excess = scan.read(json.subarray(at, at + PIECE_BYTES));
    if (excess !== undefined) return excess;
    await turns.pause();
  }
  return undefined;
}

class JsonLimitScan {
  private values = 1;
  private depth = 0;
  private isInString = false;
  /** The last byte was a backslash that escapes the next one. */
  private isEscaped = false;

  /** The next bytes of the text. */
  read(piece: Buffer): string | undefined {
    let at = this.isInString ? this.endOfString(piece, 0) : 0;
    for (; at < piece.length; at++) {
      const byte = piece[at];
      if (byte === QUOTE) at = this.endOfString(piece, at + 1) - 1;
      else if (byte === COMMA) this.values += 1;
      else if (byte === OPENING_BRACKET || byte === OPENING_BRACE) {
        this.values += 1;
        this.depth += 1;
        if (this.depth > MAX_JSON_DEPTH) {
          return `The body is nested more than ${MAX_JSON_DEPTH} deep.`;
        }
      } else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) this.depth -= 1;
      if (this.values > MAX_JSON_VALUES) return `The body has more than ${MAX_JSON_VALUES} values.`;
    }
    return undefined;
  }

  /** The index behind the quote that ends the string, or the length of `piece`. */
  private endOfString(piece: Buffer, start: number): number {
    let at = this.isEscaped ? start + 1 : start;
    this.isInString = true;
    this.isEscaped = false;
    for (; at < piece.length; at++) {
      const byte = piece[at];
      if (byte === QUOTE) {
        this.isInString = false;
        return at + 1;
      }
      if (byte === BACKSLASH) at += 1;
    }
    this.isEscaped = at > piece.length;
    return piece.length;
  }
}
