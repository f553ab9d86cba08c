/*
 * Reads JSON as text, so that values that are only passed on keep their bytes: the order of names, the digits of numbers,
 * and escapes. Every function expects valid JSON, is linear, and does not recurse.
 */

/** A part of a text: from `start` up to, and without, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const BACKSLASH = 0x5c;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const SPACE = 0x20;

/** Structural characters and the quotation mark. */
export const STRUCTURAL = Uint8Array.from({ length: 128 }, (_, code) =>
  '"{}[],'.includes(String.fromCharCode(code)) ? 1 : 0,
);

/** Read in far less than a millisecond. */
export const PAUSE_CHARACTERS = 65_536;

/** The string at a span that includes its quotes, without escapes. */
export function decodeString(text: string, { start, end }: Span): string {
  const content = text.slice(start + 1, end - 1);
  return content.includes('\\') ? String(JSON.parse(text.slice(start, end))) : content;
}

const MAX_SHORT_WHITESPACE = 32;
const NO_WHITESPACE = /[^ \t\n\r]/g;

export function skipWhitespace(text: string, at: number): number {
  let index = at;
  const end = Math.min(at + MAX_SHORT_WHITESPACE, text.length);
  while (index < end && text.charCodeAt(index) <= SPACE) index++;
  if (index < end || end === text.length) return index;
  // A native search skips megabytes of whitespace.
  NO_WHITESPACE.lastIndex = index;
  return NO_WHITESPACE.test(text) ? NO_WHITESPACE.lastIndex - 1 : text.length;
}

/** From the end of a value to the next one, or to the end of its container. */
export function skipSeparator(text: string, at: number): number {
  const index = skipWhitespace(text, at);
  return text.charCodeAt(index) === COMMA ? skipWhitespace(text, index + 1) : index;
}

/** The end of the string that begins at `at`. Yields where the caller can pause. */
export function* endOfString(text: string, at: number): Generator<undefined, number> {
  const quote = text.indexOf('"', at + 1);
  if (quote === -1) return text.length;
  if (text.charCodeAt(quote - 1) !== BACKSLASH) return quote + 1;
  // A native search for each of millions of escaped quotes would cost more than to read each character.
  let pauseAt = at + PAUSE_CHARACTERS;
  for (let index = at + 1; index < text.length; index++) {
    if (index >= pauseAt) {
      yield undefined;
      pauseAt = index + PAUSE_CHARACTERS;
    }
    const code = text.charCodeAt(index);
    if (code === QUOTE) return index + 1;
    if (code === BACKSLASH) index++;
  }
  return text.length;
}

export function* endOfValue(text: string, at: number): Generator<undefined, number> {
  if (!'"[{'.includes(text.charAt(at))) return endOfScalar(text, at);
  let depth = 0;
  let pauseAt = at + PAUSE_CHARACTERS;
  for (let index = at; index < text.length; index++) {
    if (index >= pauseAt) {
      yield undefined;
      pauseAt = index + PAUSE_CHARACTERS;
    }
    const code = text.charCodeAt(index);
    if (code > CLOSE_OBJECT || STRUCTURAL[code] === 0) continue;
    switch (code) {
      case QUOTE:
        index = (yield* endOfString(text, index)) - 1;
        if (depth === 0) return index + 1;
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        depth++;
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (--depth === 0) return index + 1;
    }
  }
  return text.length;
}

/** Characters that can follow a number or a literal. */
const SCALAR_END = /[\s,:\]}]/g;

function endOfScalar(text: string, at: number): number {
  SCALAR_END.lastIndex = at;
  return SCALAR_END.test(text) ? SCALAR_END.lastIndex - 1 : text.length;
}
