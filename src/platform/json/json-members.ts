import { runAtOnce, runFairly } from '../fair-turns.js';
import {
  CLOSE_ARRAY,
  decodeString,
  endOfString,
  endOfValue,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  skipSeparator,
  skipWhitespace,
  type Span,
} from './json-tokens.js';

/** One member of an object. Names may repeat; `JSON.parse` uses the last one. */
export interface JsonMember {
  /** Decoded. */
  readonly name: string;
  /** As it is written, with its quotes. */
  readonly nameSpan: Span;
  readonly value: Span;
}

/** Names in objects, indexes in arrays. */
export type JsonPath = readonly (string | number)[];

/** The members of the object at `at`, in their order; empty for another kind of value. */
export function readMembers(text: string, at = 0): JsonMember[] {
  return runAtOnce(walkMembers(text, at));
}

/** Like `readMembers`, in several turns of the event loop. */
export function readMembersFairly(text: string): Promise<JsonMember[]> {
  return runFairly(walkMembers(text, 0));
}

function* walkMembers(text: string, at: number): Generator<undefined, JsonMember[]> {
  const members: JsonMember[] = [];
  let index = skipWhitespace(text, at);
  if (text.charCodeAt(index) !== OPEN_OBJECT) return members;
  index = skipWhitespace(text, index + 1);
  while (text.charCodeAt(index) === QUOTE) {
    const nameSpan = { start: index, end: yield* endOfString(text, index) };
    const start = skipWhitespace(text, skipWhitespace(text, nameSpan.end) + 1);
    const end = yield* endOfValue(text, start);
    members.push({ name: decodeString(text, nameSpan), nameSpan, value: { start, end } });
    index = skipSeparator(text, end);
  }
  return members;
}

/** The elements of the array at `at`; empty for another kind of value. */
export function readElements(text: string, at = 0): Span[] {
  const elements: Span[] = [];
  let start = skipWhitespace(text, at);
  if (text.charCodeAt(start) !== OPEN_ARRAY) return elements;
  start = skipWhitespace(text, start + 1);
  while (start < text.length && text.charCodeAt(start) !== CLOSE_ARRAY) {
    const end = runAtOnce(endOfValue(text, start));
    elements.push({ start, end });
    start = skipSeparator(text, end);
  }
  return elements;
}

/** The value that `JSON.parse` finds at `path` within the value at `at`. */
export function findValue(text: string, path: JsonPath, at = 0): Span | undefined {
  const start = skipWhitespace(text, at);
  let value: Span | undefined = { start, end: start };
  for (const step of path) {
    value =
      typeof step === 'number'
        ? readElements(text, value.start)[step]
        : readMembers(text, value.start).findLast(({ name }) => name === step)?.value;
    if (value === undefined) return undefined;
  }
  return { start: value.start, end: runAtOnce(endOfValue(text, value.start)) };
}
