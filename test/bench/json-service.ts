import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { isRecord } from '../../src/platform/json/is-record.js';

/** How a side that is written by hand answers: a status and a body. */
export type Answer = readonly [status: number, body: object];

/** A bare HTTP server that reads and answers JSON objects. */
export function jsonService(
  answer: (request: IncomingMessage, body: Record<string, unknown>) => Promise<Answer>,
): Server {
  return createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const send = ([status, body]: Answer): void => {
        const text = JSON.stringify(body);
        response.writeHead(status, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        });
        response.end(text);
      };
      const parsed: unknown = JSON.parse(Buffer.concat(parts).toString());
      if (!isRecord(parsed)) return send([400, { error: 'body' }]);
      answer(request, parsed).then(send, () => send([500, {}]));
    });
  });
}

/** Compares secrets in constant time. */
export function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
