import { createServer, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import Reducto from 'reductoai';
import { onTestFinished } from 'vitest';
import { PlatformSettings } from '../../src/sandbox/faults/platform-switches.js';
import { Sandbox, SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.js';

/** Jobs end at once by default. */
const instant: PlatformSettings = { queueMs: 0, runMs: 0, completingMs: 0, cancelDelayMs: 0 };

export interface Bench {
  sandbox: Sandbox;
  /** Without retries, so that tests see each response. */
  client: Reducto;
}

export async function bench({ platform, ...options }: SandboxOptions = {}): Promise<Bench> {
  const sandbox = await startSandbox({ ...options, platform: { ...instant, ...platform } });
  onTestFinished(() => sandbox.close());
  return { sandbox, client: clientOf(sandbox) };
}

export function clientOf(sandbox: Sandbox, maxRetries = 0): Reducto {
  return new Reducto({ baseURL: sandbox.url, apiKey: sandbox.apiKey, maxRetries });
}

export const anyDocument = { input: 'https://example.com/contract.pdf' };

type SubmitBody = Record<string, unknown>;

/** Submits a body with `sim`, which the types of the SDK do not allow. */
export async function submit(client: Reducto, body: SubmitBody, type = 'parse'): Promise<string> {
  const path = `/${type}_async`;
  const answer = await client.post<unknown, { job_id: string }>(path, { body });
  return answer.job_id;
}

export async function ended({ jobs }: Sandbox, id: string): Promise<void> {
  await jobs.waitFor((job) => job.id === id && job.endedAt !== undefined);
}

export async function submitAndEnd(
  { sandbox, client }: Bench,
  body: SubmitBody,
  type = 'parse',
): Promise<string> {
  const id = await submit(client, body, type);
  await ended(sandbox, id);
  return id;
}

/** Sends a request and returns the response with any status. */
export async function call(
  url: string,
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers; text: string; json: unknown }> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: jsonOrNull(text) };
}

export function post(url: string, body: unknown): ReturnType<typeof call> {
  const headers = { 'content-type': 'application/json' };
  return call(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

export function authorized(sandbox: Sandbox): RequestInit {
  return { headers: { authorization: `Bearer ${sandbox.apiKey}` } };
}

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  json: unknown;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** Resolves when `expected` callbacks have arrived. */
  count(expected: number): Promise<Received[]>;
}

interface Answer {
  status?: number;
  headers?: Record<string, string>;
}

/** Starts an HTTP server that receives callbacks and sends `answers` in order, then repeats the last one. */
export async function receiver(...answers: Answer[]): Promise<Receiver> {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const answer = answers[Math.min(received.length, answers.length - 1)] ?? {};
    received.push({ headers: request.headers, body, json: jsonOrNull(body) });
    response.writeHead(answer.status ?? 200, answer.headers).end();
    for (const check of waiting) check();
  };
  const server = createServer((request, response) => void receive(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}/callback`,
    received,
    count: (expected) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (received.length >= expected) resolve(received);
        };
        waiting.add(check);
        check();
      }),
  };
}

function jsonOrNull(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
