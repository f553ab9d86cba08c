/**
 * Invisible characters: control and format characters, lone surrogates, line separators, every space except U+0020,
 * default-ignorable code points, and U+FFFD, with which Node replaces invalid UTF-8.
 */
const INVISIBLE =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufffd]|(?! )\p{Zs}/u;

/**
 * Trims `given`. Throws an `Error` if it contains an invisible character, because a pasted one makes a wrong host, key, or
 * path that looks right. The message begins with `what` and does not contain the value.
 */
export function visibleText(given: string, what: string): string {
  const text = given.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');
  const found = INVISIBLE.exec(text);
  if (found === null) return text;
  const code = found[0].codePointAt(0) ?? 0;
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  throw new Error(`${what} the invisible character ${name} at position ${found.index + 1}`);
}
