import type { IncomingHttpHeaders } from 'node:http';
import Negotiator from 'negotiator';

/** Which of gzip and `identity` the client accepts, the preferred one first; none where it excludes both. */
export function acceptedCodings(headers: IncomingHttpHeaders): string[] {
  return new Negotiator({ headers }).encodings(['gzip', 'identity']);
}
