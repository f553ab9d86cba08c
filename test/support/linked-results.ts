import type { TestGateway } from './gateway.js';
import { startRawUpstream, type RawAnswer, type RawUpstream } from './raw-upstream.js';

/** A fake Reducto whose results link to files on the same host. */
export class LinkedResults {
  /** The answer for each path of a link; tests may change it. */
  readonly files = new Map<string, RawAnswer | (() => RawAnswer | Promise<RawAnswer>)>();

  private constructor(readonly upstream: RawUpstream) {}

  static async start(): Promise<LinkedResults> {
    const results = new LinkedResults(await startRawUpstream());
    results.reset();
    return results;
  }

  /** Makes all links live again, and forgets the files. */
  reset(): void {
    this.files.clear();
    this.upstream.requests.length = 0;
    this.upstream.answers.other = ({ path }) => {
      const answer = this.files.get(path.split('?', 1)[0] ?? '') ?? { status: 404 };
      return typeof answer === 'function' ? answer() : answer;
    };
  }

  /** As after their lifetime: every link is refused. */
  expireLinks(): void {
    this.upstream.answers.other = { status: 403 };
  }

  /** A signed link to a file with this content. */
  link(name: string, body: string | Buffer = `content of ${name}`, type = 'image/png'): string {
    this.files.set(`/stored/${name}`, answerOf(body, type));
    return `${this.upstream.url}/stored/${name}?X-Amz-Signature=secret&n=${name}`;
  }

  json(name: string, value: unknown): string {
    return this.link(name, JSON.stringify(value), 'application/json');
  }

  urlResult(name: string, value: unknown) {
    return { type: 'url', url: this.json(name, value), result_id: 'r' };
  }

  /** How often a link was requested. */
  requestsOf(name: string): number {
    return this.upstream.requests.filter(({ path }) => path.startsWith(`/stored/${name}?`)).length;
  }

  /** Every job completes with `result`; `@` in it stands for the upstream id. */
  completeWith(result: unknown): void {
    this.upstream.answers.poll = ({ path }) => {
      const id = path.replace('/job/', '');
      return { body: JSON.stringify({ status: 'Completed', result }).replaceAll('@', id) };
    };
  }

  close(): Promise<void> {
    return this.upstream.close();
  }
}

export function answerOf(body: string | Buffer, type = 'image/png'): RawAnswer {
  return {
    headers: { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) },
    body,
  };
}

/** A parse whose blocks have these images. */
export function withImages(...urls: readonly string[]) {
  return {
    job_id: '@',
    result: { type: 'full', chunks: [{ blocks: urls.map((image_url) => ({ image_url })) }] },
  };
}

/** Settings of a gateway that polls `results` and gives up at once. */
export function settingsFor(results: LinkedResults): Record<string, string> {
  return {
    REDUCTO_BASE_URL: results.upstream.url,
    WEBHOOK_MODE: 'none',
    RESULT_GRACE_SECONDS: '0',
    REDUCTO_POLLS_PER_SECOND: '1000',
  };
}

/** Requests a URL with the key of `gateway`. */
export function getWithKey(
  gateway: TestGateway,
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Response> {
  const authorization = `Bearer ${gateway.key}`;
  return fetch(url, { method, headers: { authorization, ...headers }, redirect: 'manual' });
}
