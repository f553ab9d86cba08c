const REDACTED = '[redacted]';

/**
 * What a secret of ours looks like wherever it turns up: API keys, callback tokens, Svix secrets,
 * bearer headers, passwords in URLs, and the keys and signatures in query strings (the whole query
 * of a presigned URL is a credential).
 */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/\brgw_[\w-]{20,}/g, REDACTED],
  [/\bv\d{1,9}\.[\w-]{43}(?![\w-])/g, REDACTED],
  [/\bwhsec_[\w+/=-]+/g, REDACTED],
  [/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, `$1 ${REDACTED}`],
  [/(\w+:\/\/[^\s/:@"']*:)[^\s/@"']+@/g, `$1${REDACTED}@`],
  [/(https?:\/\/[^\s?"'\\]+)\?[^\s"'\\]+/g, `$1?${REDACTED}`],
];

const known = new Set<string>();

/** Makes `secret` unprintable from now on. Very short ones are left out: they would blank half of every line. */
export function neverPrint(secret: string | undefined): void {
  if (secret !== undefined && secret.length >= 6) known.add(secret);
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
