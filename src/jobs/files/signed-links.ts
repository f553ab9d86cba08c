/** Longer than any name of a file. */
const MAX_NAME = 200;
const QUOTE = 0x22;

/**
 * The JSON in `content` with other addresses for files: those that begin with `prefix`, as it is written in JSON, and end
 * with a name for which `addressOf` has one. It holds one chunk at a time.
 */
export async function* replaceLinks(
  content: AsyncIterable<Buffer>,
  prefix: string,
  addressOf: (name: string) => string | undefined,
): AsyncGenerator<Buffer> {
  const start = Buffer.from(prefix);
  let rest = Buffer.alloc(0);
  for await (const chunk of content) {
    const bytes = Buffer.concat([rest, chunk]);
    let done = 0;
    let keptFrom = Math.max(bytes.length - start.length + 1, 0);
    for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, done)) {
      const end = bytes.indexOf(QUOTE, at + start.length);
      if (end < 0 && bytes.length - at < start.length + MAX_NAME) {
        keptFrom = at;
        break;
      }
      const next = end < 0 ? at + start.length : end;
      const name = bytes.toString('utf8', at + start.length, next);
      const address = addressOf(name);
      yield bytes.subarray(done, at);
      yield address === undefined
        ? bytes.subarray(at, next)
        : Buffer.from(JSON.stringify(address).slice(1, -1));
      done = next;
    }
    const to = Math.max(done, keptFrom);
    yield bytes.subarray(done, to);
    rest = bytes.subarray(to);
  }
  yield rest;
}
