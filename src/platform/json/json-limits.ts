/** No JSON Schema, split description, or form needs as many. What follows parsing costs time for each value. */
export const MAX_JSON_VALUES = 20_000;
/** Far more than a JSON Schema needs, far less than what overflows the stack of a recursive function. */
export const MAX_JSON_DEPTH = 200;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * Says which limit a JSON text exceeds, or `undefined`. Reads the bytes once and builds nothing, so that a text of
 * millions of values is refused before the parser makes objects of it. It does not say whether the text is valid JSON.
 */
export function exceededJsonLimit(json: Buffer): string | undefined {
  let values = 1;
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) at = endOfString(json, at + 1);
    else if (byte === COMMA) values += 1;
    else if (byte === OPENING_BRACKET || byte === OPENING_BRACE) {
      values += 1;
      depth += 1;
      if (depth > MAX_JSON_DEPTH) return `The body is nested more than ${MAX_JSON_DEPTH} deep.`;
    } else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) depth -= 1;
    if (values > MAX_JSON_VALUES) return `The body has more than ${MAX_JSON_VALUES} values.`;
  }
  return undefined;
}

/** The index of the quote that ends the string, or the length of `json`. */
function endOfString(json: Buffer, start: number): number {
  let at = start;
  for (; at < json.length; at++) {
    const byte = json[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at += 1;
  }
  return at;
}
