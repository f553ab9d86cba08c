import { FairTurns, runAtOnce } from '../fair-turns.js';
import type { JsonPath } from './json-members.js';
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  decodeString,
  endOfString,
  OPEN_ARRAY,
  OPEN_OBJECT,
  PAUSE_CHARACTERS,
  QUOTE,
  STRUCTURAL,
  type Span,
} from './json-tokens.js';

export interface FoundString {
  /** Decoded. */
  readonly value: string;
  /** As it is written, with its quotes. */
  readonly span: Span;
  readonly path: JsonPath;
}

/**
 * Decides whether a string value matches, from the start and end of its escaped content. For a long one it may return the
 * index that it has reached, and is called again from there after a pause.
 */
export type StringMatcher = (text: string, start: number, end: number) => boolean | number;

/**
 * The string values, not the names, that match, at most `limit`; in several turns of the event loop. `within`: the span of
 * the value in `text`.
 */
export async function findStrings(
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
