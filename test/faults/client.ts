import { setTimeout as sleep } from 'node:timers/promises';
import { recordOf } from './sandbox-control.js';

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The body as an object; empty where it is none. */
  readonly body: Record<string, unknown>;
}

interface Request {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;

/** A service's way to the gateway: patient, and not surprised by failures. */
export class GatewayClient {
  constructor(
    private readonly url: string,
    private readonly apiKey: string,
    /** Counts of every answer, by what was asked and what came. */
    private readonly tally: Map<string, number>,
    /** Aborts when the run is over: nothing is asked any more. */
    private readonly over: AbortSignal,
  ) {}

  /** One request; `undefined` where no answer came. */
  async ask(method: string, path: string, request: Request = {}): Promise<Answer | undefined> {
    const { body, timeoutMs = TIMEOUT_MS } = request;
    const form = body instanceof FormData;
    const what = `${method} ${path.replace(/[0-9a-f-]{36}/, '{id}').replace(/\?.*/, '')}`;
    try {
      const response = await fetch(this.url + path, {
        method,
        headers: {
          authorization: `Bearer ${this.apiKey}`,
          ...(body === undefined || form ? {} : { 'content-type': 'application/json' }),
          ...request.headers,
        },
        signal: AbortSignal.any([this.over, AbortSignal.timeout(timeoutMs)]),
        ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      this.count(`${what} ${response.status}`);
      return { status: response.status, text, body: parsed(text) };
    } catch {
      this.count(`${what} no answer`);
      return undefined;
    }
  }

  /** Asks until an answer is final; `undefined` where the run was over before. */
  async insist(
    method: string,
    path: string,
    request: Request = {},
    isFinal: (answer: Answer) => boolean = ({ status }) => status < 500 && status !== 429,
  ): Promise<Answer | undefined> {
    for (let tries = 1; !this.over.aborted; tries++) {
      const answer = await this.ask(method, path, request);
      if (answer !== undefined && isFinal(answer)) return answer;
      await this.pause(Math.min(100 * tries, 1_000));
    }
    return undefined;
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.over }).catch(() => undefined);
  }

  private count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return {};
  }
}
