import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A response that is sent unchanged and unchecked. */
export interface RawAnswer {
  readonly status?: number;
  /** Sent instead of `content-type: application/json`. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Several parts are sent as separate chunks. */
  readonly body?: string | Buffer | readonly (string | Buffer)[];
  /** Closes the connection after the body, without the end of the HTTP message. */
  readonly breakOff?: boolean;
}

type Answering = RawAnswer | ((request: RawRequest) => RawAnswer | Promise<RawAnswer>);

/** The response to each call of Reducto's job API; tests may change it at any time. */
export interface RawAnswers {
  submit: Answering;
  poll: Answering;
  list: Answering;
  cancel: Answering;
  /** Any other path: the target of a result URL, for example. */
  other: Answering;
}

export interface RawUpstream {
  /** For `REDUCTO_BASE_URL`. */
  readonly url: string;
  readonly answers: RawAnswers;
  /** Every request, oldest first. */
  readonly requests: RawRequest[];
  close(): Promise<void>;
}

/**
 * A fake Reducto that returns the given bytes. By default, submits create `job_1`, `job_2`, …, polls return
 * Pending, the listing is empty, and cancels succeed.
 */
export async function startRawUpstream(given: Partial<RawAnswers> = {}): Promise<RawUpstream> {
  let made = 0;
  const requests: RawRequest[] = [];
  const answers: RawAnswers = {
    submit: () => ({ body: `{"job_id":"job_${(made += 1)}"}` }),
    poll: { body: '{"status":"Pending"}' },
    list: { body: '{"jobs":[],"next_cursor":null}' },
    cancel: { body: '{}' },
    other: { status: 404, body: '{"detail":"Not Found"}' },
    ...given,
  };
  const server = createServer((incoming, response) => {
    const answer = async (): Promise<void> => {
      const { method = '', url: path = '', headers } = incoming;
      const request = { method, path, headers, body: await buffer(incoming) };
      requests.push(request);
      const answering = answers[callOf(request)];
      await send(response, typeof answering === 'function' ? await answering(request) : answering);
    };
    answer().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function callOf({ method, path }: RawRequest): keyof RawAnswers {
  if (method === 'POST' && /^\/\w+_async$/.test(path)) return 'submit';
  if (method === 'POST' && path.startsWith('/cancel/')) return 'cancel';
  if (method === 'GET' && path.startsWith('/job/')) return 'poll';
  return method === 'GET' && path.startsWith('/jobs') ? 'list' : 'other';
}

async function send(response: ServerResponse, answer: RawAnswer): Promise<void> {
  const { status = 200, headers = { 'content-type': 'application/json' }, body = '' } = answer;
  response.writeHead(status, headers);
  const parts: readonly (string | Buffer)[] =
    typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body;
  for (const part of parts) {
    await new Promise((resolve) => response.write(part, resolve));
    await setImmediate();
  }
  if (answer.breakOff === true) response.destroy();
  else response.end();
}
