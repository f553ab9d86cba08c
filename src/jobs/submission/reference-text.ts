import type { StringMatcher } from '../../platform/json/json-strings.js';

/*
 * Reads the beginning of a string within JSON text. A request can hold one string of megabytes, so nothing here decodes
 * more of it than it must.
 */

/** Whether a text has JSON escapes. */
export type TextForm = 'escaped' | 'decoded';

const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
/** What the escapes of one letter stand for. */
const ESCAPED = new Map(
  Object.entries({ b: 8, f: 12, n: 10, r: 13, t: 9 }).map(([letter, unit]) => [
    letter.charCodeAt(0),
    unit,
  ]),
);

/** Whatever may be stripped before a reader sees the scheme of a reference. */
const IGNORABLE = /^[\s\p{C}\p{Z}]$/u;
const enum Known {
  Unknown,
  Ignorable,
  Other,
}
/** What `IGNORABLE` said of a code unit: texts of millions of such characters are read in milliseconds then. */
const known = new Uint8Array(0x10000);

/** How much a matcher reads at a time. */
const MAX_READ = 16_384;

/** Matches strings by what begins, at `start`, with the first character that no reader strips. */
export function matchStripped(
  matches: (text: string, start: number, end: number) => boolean,
): StringMatcher {
  return (text, start, end) => {
    const stop = start + MAX_READ;
    const at = skipIgnorable(text, start, end, 'escaped', stop);
    return at >= stop && at < end ? at : matches(text, at, end);
  };
}

/** Where the first character is, between `start` and `end`, that no reader strips; no further than about `stop`. */
export function skipIgnorable(
  text: string,
  start: number,
  end: number,
  form: TextForm,
  stop = end,
): number {
  const escaped = form === 'escaped';
  let at = start;
  while (at < end && at < stop) {
    const unit = unitAt(text, at, escaped);
    let next = at + widthAt(text, at, escaped);
    let ignorable = isIgnorableUnit(unit);
    // Alone a surrogate is ignorable; a pair is one character, however each half is written.
    if (isHighSurrogate(unit) && next < end) {
      const low = unitAt(text, next, escaped);
      if (isLowSurrogate(low)) {
        ignorable = IGNORABLE.test(String.fromCharCode(unit, low));
        next += widthAt(text, next, escaped);
      }
    }
    if (!ignorable) return at;
    at = next;
  }
  return at;
}

/** At most `units` decoded code units of JSON text between `start` and `end`. */
export function readBeginning(text: string, start: number, end: number, units: number): string {
  let beginning = '';
  for (let at = start; at < end && beginning.length < units; at += widthAt(text, at, true)) {
    beginning += String.fromCharCode(unitAt(text, at, true));
  }
  return beginning;
}

function unitAt(text: string, at: number, escaped: boolean): number {
  const code = text.charCodeAt(at);
  if (!escaped || code !== BACKSLASH) return code;
  const letter = text.charCodeAt(at + 1);
  if (letter !== LETTER_U) return ESCAPED.get(letter) ?? letter;
  let unit = 0;
  for (let digit = at + 2; digit < at + 6; digit++) {
    unit = unit * 16 + hexDigit(text.charCodeAt(digit));
  }
  return unit;
}

/** How many characters of the text write one code unit. */
function widthAt(text: string, at: number, escaped: boolean): number {
  if (!escaped || text.charCodeAt(at) !== BACKSLASH) return 1;
  return text.charCodeAt(at + 1) === LETTER_U ? 6 : 2;
}

function hexDigit(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}

function isIgnorableUnit(unit: number): boolean {
  if (known[unit] === Known.Unknown) {
    known[unit] = IGNORABLE.test(String.fromCharCode(unit)) ? Known.Ignorable : Known.Other;
  }
  return known[unit] === Known.Ignorable;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
