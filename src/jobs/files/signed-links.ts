/** Longer than any name of a file. */
const MAX_NAME = 200;
/** Longer than any address before the path of a file. */
const MAX_BASE = 300;
const QUOTE = 0x22;
/** The end of a text that is an address. */
const BASE = /https?:\/\/(?:(?!https?:\/\/)[^\s"\\<>])*$/;

/**
 * The JSON in `content` with other addresses for files: those with `path`, whatever their host, and a name for which
 * `addressOf` has one. The gateway may have had another address when it stored them. It holds one chunk at a time.
 */
export async function* replaceLinks(
  content: AsyncIterable<Buffer>,
  path: string,
  addressOf: (name: string) => string | undefined,
): AsyncGenerator<Buffer> {
  const start = Buffer.from(path);
  let rest = Buffer.alloc(0);
  for await (const chunk of content) {
    const bytes = Buffer.concat([rest, chunk]);
    let done = 0;
    let keptFrom = Math.max(bytes.length - start.length - MAX_BASE + 1, 0);
    for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, done)) {
      const end = bytes.indexOf(QUOTE, at + start.length);
      if (end < 0 && bytes.length - at < start.length + MAX_NAME) {
        keptFrom = Math.min(keptFrom, Math.max(at - MAX_BASE, done));
        break;
      }
      const next = end < 0 ? at + start.length : end;
      const name = bytes.toString('utf8', at + start.length, next);
      const address = addressOf(name);
      const base = BASE.exec(bytes.toString('latin1', Math.max(at - MAX_BASE, done), at))?.[0];
      if (address === undefined || base === undefined) yield bytes.subarray(done, next);
      else {
        yield bytes.subarray(done, at - base.length);
        yield Buffer.from(JSON.stringify(address).slice(1, -1));
      }
      done = next;
    }
    const to = Math.max(done, keptFrom);
    yield bytes.subarray(done, to);
    rest = bytes.subarray(to);
  }
  yield rest;
}
