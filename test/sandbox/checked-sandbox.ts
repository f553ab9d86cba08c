import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import Reducto from 'reductoai';
import { request } from 'undici';
import { onTestFinished } from 'vitest';
import { bench, Bench } from './support.js';
import { violationsOf } from './schemas/answers.js';

/** A sandbox behind a proxy that holds every answer against the schemas. A violation fails the test. */
export interface CheckedSandbox extends Bench {
  url: string;
  /** Route and schema of each answer, for example `GET /job/{id} EnhancedJob`. */
  checked: Set<string>;
}

export async function checkedSandbox(
  options: Parameters<typeof bench>[0] = {},
  isEnhanced = false,
): Promise<CheckedSandbox> {
  const { sandbox } = await bench({
    ...options,
    platform: { enhanced: isEnhanced, ...options.platform },
  });
  const violations: string[] = [];
  const checked = new Set<string>();
  const relay = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/' } = incoming;
    const hasBody = 'content-length' in incoming.headers || 'transfer-encoding' in incoming.headers;
    const { connection: _connection, ...headers } = incoming.headers;
    // The links of the answers have the host of the proxy.
    const answer = await request(sandbox.url + url, {
      method,
      headers,
      body: hasBody ? incoming : null,
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const path = url.replace(/\?.*$/u, '');
    const contentType = String(answer.headers['content-type']);
    const route = routeOf(method, path, answer.statusCode, isEnhanced);
    if (route) {
      checked.add(`${route.name} ${route.schema}`);
      violations.push(...problemsOf(route, contentType, body));
    }
    response.writeHead(answer.statusCode, { 'content-type': contentType }).end(body);
  };
  const server = createServer((incoming, response) => void relay(incoming, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    if (violations.length > 0) throw new Error(violations.join('\n'));
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const client = new Reducto({ baseURL: url, apiKey: sandbox.apiKey, maxRetries: 0 });
  return { sandbox, client, url, checked };
}

interface Route {
  name: string;
  schema: string;
}

const routes: readonly [pattern: RegExp, name: string, schema: string][] = [
  [/^POST \/(?:parse|extract|split|edit|pipeline|classify)_async$/u, 'POST async', 'JobId'],
  [/^POST \/(?:parse|extract)$/u, 'POST sync', 'ResultOrJobId'],
  [/^POST \/(?:split|edit|pipeline|classify)$/u, 'POST sync', 'Result'],
  [/^GET \/job\/[^/]+$/u, 'GET /job/{id}', 'Job'],
  [/^DELETE \/job\//u, 'DELETE /job/{id}', 'JobId'],
  [/^POST \/cancel\//u, 'POST /cancel/{id}', 'Anything'],
  [/^GET \/jobs$/u, 'GET /jobs', 'Jobs'],
  [/^POST \/upload$/u, 'POST /upload', 'Upload'],
  [/^DELETE \/upload\//u, 'DELETE /upload/{id}', 'FileId'],
  [/^POST \/configure_webhook$/u, 'POST /configure_webhook', 'Link'],
  [/^GET \/version$/u, 'GET /version', 'Text'],
];

/** Undefined for object storage: its errors are XML, and its bodies are checked by the tests. */
function routeOf(
  method: string,
  path: string,
  status: number,
  isEnhanced: boolean,
): Route | undefined {
  if (/^\/(?:results|files|presigned)\//u.test(path)) return undefined;
  const [, name = 'no route', success = 'NoRoute'] =
    routes.find(([pattern]) => pattern.test(`${method} ${path}`)) ?? [];
  if (status === 422) return { name, schema: 'ValidationError' };
  if (status === 404 && (name === 'no route' || path === '/classify_async'))
    return { name, schema: 'NoRoute' };
  if (status >= 400) return { name, schema: 'Error' };
  return { name, schema: success === 'Job' && isEnhanced ? 'EnhancedJob' : success };
}

function problemsOf({ name, schema }: Route, contentType: string, body: Buffer): string[] {
  if (!contentType.startsWith('application/json')) return [`${name}: ${contentType}`];
  if (body.length === 0) return [`${name}: an empty answer`];
  const value: unknown = JSON.parse(body.toString());
  return violationsOf(schema, value).map((violation) => `${name}: ${violation}`);
}
