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
