import { encodePieces } from '../text.js';
import type { JsonMember } from './json-members.js';
import { BACKSLASH, QUOTE, skipWhitespace, SPACE, type Span } from './json-tokens.js';

export interface JsonEdit extends Span {
  readonly replacement: string;
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
