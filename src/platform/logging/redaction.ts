const REDACTED = '[redacted]';

/**
 * What a secret of ours looks like wherever it turns up: API keys, callback tokens, Svix secrets,
 * bearer headers, passwords in URLs, and the keys and signatures in query strings (the whole query
 * of a presigned URL is a credential). Every repetition that something must follow is bounded: text comes
 * from strangers, and must not be able to make a pattern try each position against all that follow.
 */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [shape(/rgw_[\w-]{20,}/), REDACTED],
  [shape(/v\d{1,9}\.[\w-]{43}(?![\w-])/), REDACTED],
  [shape(/whsec_[\w+/=-]+/), REDACTED],
  [shape(/(bearer|basic)\s+[\w.~+/=-]{6,}/), `$1 ${REDACTED}`],
  [/(\b\w{1,20}:\/\/[^\s/:@"']{0,200}:)[^\s/@"']{1,500}@/g, `$1${REDACTED}@`],
  [/(https?:\/\/[^\s?"'\\]{1,2000})\?[^\s"'\\]+/g, `$1?${REDACTED}`],
];

/** At the beginning of a word; in JSON the letter before may belong to an escape such as `\n`. */
function shape(pattern: RegExp): RegExp {
  return new RegExp(`(?:(?<!\\w)|(?<=\\\\[bfnrt])|(?<=\\\\u[0-9a-f]{4}))${pattern.source}`, 'gi');
}

/** The longest first, so that one which begins with another leaves no rest behind. */
let known: readonly string[] = [];

/** Makes `secret` unprintable from now on. Very short ones are left out: they would blank half of every line. */
export function neverPrint(secret: string | undefined): void {
  if (secret === undefined || secret.length < 6) return;
  const inJson = JSON.stringify(secret).slice(1, -1);
  known = [...new Set([...known, secret, inJson])].toSorted((a, b) => b.length - a.length);
}

/** `text` without anything that is, or looks like, a secret. */
export function redact(text: string): string {
  let clean = text;
  for (const secret of known) {
    if (clean.includes(secret)) clean = clean.replaceAll(secret, REDACTED);
  }
  for (const [shape, replacement] of SHAPES) clean = clean.replace(shape, replacement);
  return clean;
}
