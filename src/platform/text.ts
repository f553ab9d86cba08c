import { FairTurns } from './fair-turns.js';

/**
 * The first `maxLength` UTF-16 code units of `text`, well-formed: the cut never splits a surrogate pair, and lone
 * surrogates become U+FFFD. PostgreSQL refuses a lone surrogate in JSON.
 */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text.toWellFormed();
  const last = text.charCodeAt(maxLength - 1);
  const splitsPair = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, splitsPair ? maxLength - 1 : maxLength).toWellFormed();
}

/** Encoded in far less than a millisecond. */
const PIECE_CHARACTERS = 65_536;

/** `text` as UTF-8, piece by piece. */
export function* encodePieces(text: string): Generator<Buffer> {
  for (let start = 0; start < text.length;) {
    const end = start + PIECE_CHARACTERS;
    const last = text.charCodeAt(end - 1);
    // Never between the halves of a surrogate pair.
    const cut = last >= 0xd800 && last <= 0xdbff ? end + 1 : end;
    yield Buffer.from(text.slice(start, cut));
    start = cut;
  }
}

/** `text` as UTF-8; a long one in several turns of the event loop. */
export async function encodeFairly(text: string): Promise<Buffer> {
  if (text.length <= PIECE_CHARACTERS) return Buffer.from(text);
  const turns = new FairTurns();
  const pieces: Buffer[] = [];
  for (const piece of encodePieces(text)) {
    pieces.push(piece);
    await turns.pause();
  }
  return Buffer.concat(pieces);
}
