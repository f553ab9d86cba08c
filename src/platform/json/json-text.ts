import { FairTurns, runAtOnce, runFairly } from '../fair-turns.js';
import { encodePieces } from '../text.js';

/*
 * Reads and edits JSON as text, so that what nobody has to understand keeps its bytes: the order of names, the digits
 * of numbers, escapes. Every function expects text that `JSON.parse` has accepted; none recurses, all are linear.
 */

/** A part of a text: from `start` up to, and without, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One member of an object. An object can have several of one name; `JSON.parse` believes the last. */
export interface JsonMember {
  /** Decoded. */
  readonly name: string;
  /** As it is written, with its quotes. */
  readonly nameSpan: Span;
  readonly value: Span;
}

/** Names in objects, indexes in arrays. */
export type JsonPath = readonly (string | number)[];

export interface FoundString {
  /** Decoded. */
  readonly value: string;
  /** As it is written, with its quotes. */
  readonly span: Span;
  readonly path: JsonPath;
}

export interface JsonEdit extends Span {
  readonly replacement: string;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;

/** Characters outside of strings that are no part of a number, a literal, or whitespace. */
const STRUCTURAL = Uint8Array.from({ length: 128 }, (_, code) =>
  '"{}[],'.includes(String.fromCharCode(code)) ? 1 : 0,
);

/** About how much text is read in much less than a millisecond. */
const PAUSE_CHARACTERS = 65_536;

/** The members of the object at `at`, in their order; none where another kind of value is there. */
export function readMembers(text: string, at = 0): JsonMember[] {
  return runAtOnce(walkMembers(text, at));
}

/** As `readMembers`, in several turns of the event loop. */
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

/** The elements of the array at `at`; none where another kind of value is there. */
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

/**
 * Says of a string value whether to report it. It gets where the content begins and ends, with its escapes. Of a long one
 * it may return how far it has read: it is called again from there, after a pause.
 */
export type StringMatcher = (text: string, start: number, end: number) => boolean | number;

/** The string values, not the names, for which `matches` is true, at most `limit`. */
export function findStrings(text: string, matches: StringMatcher, limit: number): FoundString[] {
  const found: FoundString[] = [];
  for (const string of walkStrings(text, matches)) {
    if (string !== undefined && found.push(string) === limit) break;
  }
  return found;
}

/** As `findStrings`, in several turns of the event loop. `within`: where in `text` the value is. */
export async function findStringsFairly(
  text: string,
  matches: StringMatcher,
  limit: number,
  within: Span = { start: 0, end: text.length },
): Promise<FoundString[]> {
  const found: FoundString[] = [];
  const turns = new FairTurns();
  for (const string of walkStrings(text, matches, within)) {
    if (string !== undefined && found.push(string) === limit) break;
    await turns.pause();
  }
  return found;
}

/** Yields the strings that match, and now and then `undefined`, where the caller can pause. */
function* walkStrings(
  text: string,
  matches: StringMatcher,
  within: Span = { start: 0, end: text.length },
): Generator<FoundString | undefined> {
  /** For each open array the index of its current element, for each open object where its current name starts. */
  const steps: number[] = [];
  const isObject: boolean[] = [];
  let depth = 0;
  let isName = false;
  let pauseAt = within.start + PAUSE_CHARACTERS;
  for (let index = within.start; index < within.end; index++) {
    if (index >= pauseAt) {
      yield undefined;
      pauseAt = index + PAUSE_CHARACTERS;
    }
    const code = text.charCodeAt(index);
    if (code > CLOSE_OBJECT || STRUCTURAL[code] === 0) continue;
    switch (code) {
      case QUOTE: {
        const end = yield* endOfString(text, index);
        if (isName) {
          steps[depth - 1] = index;
          isName = false;
        } else {
          let verdict = matches(text, index + 1, end - 1);
          while (typeof verdict === 'number') {
            yield undefined;
            verdict = matches(text, verdict, end - 1);
          }
          if (verdict) {
            const span = { start: index, end };
            const path = pathOf(text, steps, isObject, depth);
            yield { value: decodeString(text, span), span, path };
          }
        }
        index = end - 1;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        isName = code === OPEN_OBJECT;
        isObject[depth] = isName;
        steps[depth] = 0;
        depth++;
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        depth--;
        isName = false;
        break;
      case COMMA:
        if (isObject[depth - 1] === true) isName = true;
        else steps[depth - 1] = (steps[depth - 1] ?? 0) + 1;
    }
  }
}

/** `text` with every edit applied. Edits must not overlap. */
export function applyEdits(text: string, edits: readonly JsonEdit[]): string {
  let edited = '';
  let done = 0;
  for (const { start, end, replacement } of edits.toSorted((a, b) => a.start - b.start)) {
    edited += text.slice(done, start) + replacement;
    done = end;
  }
  return edited + text.slice(done);
}

/** The object without the members of these names. `members` are those that `readMembers` found in it. */
export function removeMembers(
  text: string,
  members: readonly JsonMember[],
  names: ReadonlySet<string>,
): string {
  const edits: JsonEdit[] = [];
  const lastKept = members.findLastIndex(({ name }) => !names.has(name));
  members.forEach(({ name, nameSpan }, index) => {
    const next = members[index + 1];
    if (index < lastKept && next !== undefined && names.has(name)) {
      edits.push({ start: nameSpan.start, end: next.nameSpan.start, replacement: '' });
    }
  });
  const start = members[lastKept]?.value.end ?? members[0]?.nameSpan.start;
  const end = members.at(-1)?.value.end;
  if (start !== undefined && end !== undefined) edits.push({ start, end, replacement: '' });
  return applyEdits(text, edits);
}

/** The object that is all of `text`, with more members at its end; each value is JSON text. */
export function appendMembers(text: string, members: Readonly<Record<string, string>>): string {
  const added = Object.entries(members).map(([name, value]) => `${JSON.stringify(name)}:${value}`);
  const end = text.lastIndexOf('}');
  const first = skipWhitespace(text, text.indexOf('{') + 1);
  const comma = first === end || added.length === 0 ? '' : ',';
  return `${text.slice(0, end)}${comma}${added.join(',')}${text.slice(end)}`;
}

/** The bytes of `text` without the whitespace between its tokens, piece by piece. */
export function* withoutWhitespace(text: string): Generator<Buffer> {
  let isInString = false;
  let isEscaped = false;
  for (const piece of encodePieces(text)) {
    let size = 0;
    for (let index = 0; index < piece.length; index++) {
      const byte = piece[index] ?? 0;
      if (!isInString && byte <= SPACE) continue;
      piece[size++] = byte;
      if (isEscaped) isEscaped = false;
      else if (byte === QUOTE) isInString = !isInString;
      else if (byte === BACKSLASH) isEscaped = true;
    }
    yield piece.subarray(0, size);
  }
}

function pathOf(
  text: string,
  steps: readonly number[],
  isObject: readonly boolean[],
  depth: number,
): (string | number)[] {
  return steps
    .slice(0, depth)
    .map((step, level) =>
      isObject[level] === true
        ? decodeString(text, { start: step, end: runAtOnce(endOfString(text, step)) })
        : step,
    );
}

/** The string at a span that includes its quotes, without escapes. */
export function decodeString(text: string, { start, end }: Span): string {
  const content = text.slice(start + 1, end - 1);
  return content.includes('\\') ? String(JSON.parse(text.slice(start, end))) : content;
}

const MAX_SHORT_WHITESPACE = 32;
const NO_WHITESPACE = /[^ \t\n\r]/g;

function skipWhitespace(text: string, at: number): number {
  let index = at;
  const end = Math.min(at + MAX_SHORT_WHITESPACE, text.length);
  while (index < end && text.charCodeAt(index) <= SPACE) index++;
  if (index < end || end === text.length) return index;
  // Megabytes of whitespace are skipped in a native search.
  NO_WHITESPACE.lastIndex = index;
  return NO_WHITESPACE.test(text) ? NO_WHITESPACE.lastIndex - 1 : text.length;
}

/** From the end of a value to the next one, or to the end of what holds it. */
function skipSeparator(text: string, at: number): number {
  const index = skipWhitespace(text, at);
  return text.charCodeAt(index) === COMMA ? skipWhitespace(text, index + 1) : index;
}

/** Where the string ends whose opening quote is at `at`. Yields where the caller can pause. */
function* endOfString(text: string, at: number): Generator<undefined, number> {
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

function* endOfValue(text: string, at: number): Generator<undefined, number> {
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

/** What follows a number or a literal. */
const SCALAR_END = /[\s,:\]}]/g;

function endOfScalar(text: string, at: number): number {
  SCALAR_END.lastIndex = at;
  return SCALAR_END.test(text) ? SCALAR_END.lastIndex - 1 : text.length;
}
