/** Headers that an endpoint cannot set: the gateway or HTTP itself sets them. */
const RESERVED =
  /^(webhook-|svix-|proxy-|content-|(host|transfer-encoding|connection|keep-alive|upgrade|expect|te|trailer)$)/i;
/** A token of RFC 9110. */
const NAME = /^[\w!#$%&'*+.^`|~-]{1,100}$/;
/** Printable ASCII without spaces at its ends; a line break would begin another header. */
const VALUE = /^[\x21-\x7e]([\x20-\x7e]{0,3998}[\x21-\x7e])?$/;

const MAX_HEADERS = 20;
const MAX_BYTES = 8192;

/** Why an endpoint cannot have these request headers; `undefined` if it can. */
export function problemOfHeaders(headers: Readonly<Record<string, unknown>>): string | undefined {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) return `has more than ${MAX_HEADERS} headers`;
  const names = new Set(entries.map(([name]) => name.toLowerCase()));
  if (names.size < entries.length) return 'has a header twice';
  let bytes = 0;
  for (const [name, value] of entries) {
    if (!NAME.test(name)) return 'has a name that is not a header name';
    if (RESERVED.test(name)) return `has ${name}, which the gateway sets itself`;
    if (typeof value !== 'string' || !VALUE.test(value)) {
      return `has ${name} with a value that is not 1 to 4000 printable ASCII characters`;
    }
    bytes += name.length + value.length;
  }
  return bytes > MAX_BYTES ? `has more than ${MAX_BYTES} bytes` : undefined;
}
