/**
 * Characters that people cannot see: control and format characters, lone surrogates, line separators, every
 * space but U+0020, what Unicode calls ignorable, and U+FFFD, which Node puts in the place of invalid UTF-8.
 */
const INVISIBLE =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufffd]|(?! )\p{Zs}/u;

/**
 * `given` without spaces and line ends around it. Throws an `Error` where a character in it is invisible: a
 * pasted one makes a wrong host, key, or path that looks right. `what` begins the message; the value is not in it.
 */
export function visibleText(given: string, what: string): string {
  const text = given.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');
  const found = INVISIBLE.exec(text);
  if (found === null) return text;
  const code = found[0].codePointAt(0) ?? 0;
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  throw new Error(`${what} the invisible character ${name} at position ${found.index + 1}`);
}
