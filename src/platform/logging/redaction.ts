const REDACTED = '[redacted]';

/**
 * Secrets by their shape: API keys, callback tokens, Svix secrets, JWTs, and bearer and basic credentials. The text
 * can be hostile, so each pattern needs linear time: nothing that may fail follows an unbounded repetition.
 */
const SHAPES: readonly (readonly [RegExp, string])[] = [
  [shape(/rgw_[\w-]{20,}/), REDACTED],
  [shape(/v\d{1,9}\.[\w-]{43}(?![\w-])/), REDACTED],
  [shape(/whsec_[\w+/=-]+/), REDACTED],
  [shape(/eyJ[\w-]{16,}(?:\.[\w-]*){0,4}/), REDACTED],
  [shape(/(bearer|basic)([\s:=]+)[\w.~+/=-]{6,}/), `$1$2${REDACTED}`],
];

/** A URL after its scheme; in JSON, slashes may be escaped. */
const URL_REST = /(\\?\/\\?\/)([^\s"'<>\\]*(?:\\\/[^\s"'<>\\]*)*)/g;

/** At the beginning of a word; in JSON the letter before may belong to an escape such as `\n`. */
function shape(pattern: RegExp): RegExp {
  return new RegExp(`(?:(?<!\\w)|(?<=\\\\[bfnrt])|(?<=\\\\u[0-9a-f]{4}))${pattern.source}`, 'gi');
}

/** The longest first: one secret may begin with another. */
let known: readonly string[] = [];

/** Redacts `secret` from now on. Ignores very short ones, which would match ordinary text. */
export function neverPrint(secret: string | undefined): void {
  if (secret === undefined || secret.length < 6) return;
  const inJson = JSON.stringify(secret).slice(1, -1);
  known = [...new Set([...known, secret, inJson])].toSorted((a, b) => b.length - a.length);
}

/** `text` without known secrets and without anything in the shape of one. */
export function redact(text: string): string {
  let clean = text;
  for (const secret of known) {
    if (clean.includes(secret)) clean = clean.replaceAll(secret, REDACTED);
  }
  for (const [shape, replacement] of SHAPES) clean = clean.replace(shape, replacement);
  return clean.replace(
    URL_REST,
    (_whole, slashes: string, rest: string) => slashes + redactUrl(rest),
  );
}

/** Redacted beyond the shown part: longer than any secret that a pattern must recognize. */
const MARGIN = 1000;

/**
 * The beginning of `text`, redacted: at least `length` code units, or all there are. The text is cut first, and the word
 * at the cut is left out: it may be the beginning of a secret that no pattern recognizes.
 */
export function redactStart(text: string, length: number): string {
  if (!isCut(text, length)) return redact(text);
  const start = redact(text.slice(0, length + MARGIN));
  let end = start.length;
  while (end > 0 && !/[\s"'<>,;]/.test(start.charAt(end - 1))) end -= 1;
  return start.slice(0, end);
}

/** Whether `redactStart` leaves out a part of `text`. */
export function isCut(text: string, length: number): boolean {
  return text.length > length + MARGIN;
}

/** `rest` is a URL from its authority on. Its user info, parameters, query, and fragment may each be a credential. */
function redactUrl(rest: string): string {
  const authority = rest.slice(0, rest.search(/[/?#;\\]|$/));
  let at = authority.lastIndexOf('@');
  if (at === -1 && isPassword(authority)) at = rest.lastIndexOf('@');
  const colon = rest.indexOf(':');
  const user = colon !== -1 && colon < at ? rest.slice(0, colon + 1) : '';
  const redacted = at === -1 ? rest : `${user}${REDACTED}${rest.slice(at)}`;
  return redacted.replace(/([?#;]).+$/s, `$1${REDACTED}`);
}

/** Whether the colon in `authority` begins a password in which `/`, `?`, or `#` are not encoded, and no port. */
function isPassword(authority: string): boolean {
  return authority.includes(':') && !authority.startsWith('[') && !/:\d{0,5}$/.test(authority);
}
