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
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;

/** The members of the object at `at`, in their order; none where another kind of value is there. */
export function readMembers(text: string, at = 0): JsonMember[] {
  const members: JsonMember[] = [];
  let index = skipWhitespace(text, at);
  if (text.charCodeAt(index) !== OPEN_OBJECT) return members;
  index = skipWhitespace(text, index + 1);
  while (text.charCodeAt(index) === QUOTE) {
    const nameSpan = { start: index, end: endOfString(text, index) };
    const start = skipWhitespace(text, skipWhitespace(text, nameSpan.end) + 1);
    const end = endOfValue(text, start);
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
    const end = endOfValue(text, start);
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
  return { start: value.start, end: endOfValue(text, value.start) };
}

/**
 * The string values, not the names, for which `matches` is true, at most `limit`. `matches` gets the text and where
 * the string's content begins and ends in it, with its escapes: it costs nothing to pass over most strings.
 */
export function findStrings(
  text: string,
  matches: (text: string, start: number, end: number) => boolean,
  limit: number,
): FoundString[] {
  const found: FoundString[] = [];
  /** For each open array the index of its current element, for each open object where its current name starts. */
  const steps: number[] = [];
  const isObject: boolean[] = [];
  let depth = 0;
  let isName = false;
  for (let index = 0; index < text.length && found.length < limit; index++) {
    switch (text.charCodeAt(index)) {
      case QUOTE: {
        const end = endOfString(text, index);
        if (isName) {
          steps[depth - 1] = index;
          isName = false;
        } else if (matches(text, index + 1, end - 1)) {
          const span = { start: index, end };
          found.push({
            value: decodeString(text, span),
            span,
            path: pathOf(text, steps, isObject, depth),
          });
        }
        index = end - 1;
        break;
      }
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        isName = text.charCodeAt(index) === OPEN_OBJECT;
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
  return found;
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

/** The bytes of `text` without the whitespace between its tokens. */
export function withoutWhitespace(text: string): Buffer {
  const bytes = Buffer.from(text);
  let size = 0;
  let isInString = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (!isInString && byte <= SPACE) continue;
    bytes[size++] = byte;
    if (byte === QUOTE) isInString = !isInString;
    else if (byte === BACKSLASH) bytes[size++] = bytes[++index] ?? 0;
  }
  return bytes.subarray(0, size);
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
        ? decodeString(text, { start: step, end: endOfString(text, step) })
        : step,
    );
}

/** The string at a span that includes its quotes, without escapes. */
export function decodeString(text: string, { start, end }: Span): string {
  const content = text.slice(start + 1, end - 1);
  return content.includes('\\') ? String(JSON.parse(text.slice(start, end))) : content;
}

function skipWhitespace(text: string, at: number): number {
  let index = at;
  while (index < text.length && text.charCodeAt(index) <= SPACE) index++;
  return index;
}

/** From the end of a value to the next one, or to the end of what holds it. */
function skipSeparator(text: string, at: number): number {
  const index = skipWhitespace(text, at);
  return text.charCodeAt(index) === COMMA ? skipWhitespace(text, index + 1) : index;
}

/** Where the string ends whose opening quote is at `at`. */
function endOfString(text: string, at: number): number {
  let quote = text.indexOf('"', at + 1);
  while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote === -1 ? text.length : quote + 1;
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

function endOfValue(text: string, at: number): number {
  let depth = 0;
  for (let index = at; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfString(text, index) - 1;
        if (depth === 0) return index + 1;
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        depth++;
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        // Of what holds a number or a literal.
        if (depth === 0) return index;
        if (--depth === 0) return index + 1;
        break;
      default:
        if (depth === 0 && isSeparator(text.charCodeAt(index))) return index;
    }
  }
  return text.length;
}

function isSeparator(code: number): boolean {
  return code === COMMA || code === COLON || code <= SPACE;
}
