const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Classes of bytes, as bits. `CharacterCheck` validates those above 0x7f. */
export const PLAIN = 1;
export const DIGIT = 2;
export const HEX = 4;
export const ESCAPED = 8;
export const WHITESPACE = 16;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return (
    (byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? PLAIN : 0) |
    (/[0-9]/.test(character) ? DIGIT : 0) |
    (/[0-9a-fA-F]/.test(character) ? HEX : 0) |
    (/["\\/bfnrt]/.test(character) ? ESCAPED : 0) |
    (/[ \n\r\t]/.test(character) ? WHITESPACE : 0)
  );
});
export const is = (byte: number | undefined, kind: number): boolean =>
  ((KINDS[byte ?? 0] ?? 0) & kind) !== 0;
