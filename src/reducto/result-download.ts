import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, request, type Dispatcher } from 'undici';
import { Settings } from '../platform/config/settings.js';
import { decodeContent } from './content-coding.js';
import { ResultDownloadError } from './result-download-error.js';
import { ResultUrlPolicy } from './downloads/result-url-policy.js';

const MAX_REDIRECTS = 3;

const AS_JSON = { accept: 'application/json', 'accept-encoding': 'gzip, br' };
const AS_FILE = { accept: '*/*', 'accept-encoding': 'identity' };

/** A file at a URL; its bytes are downloaded as they are read. */
export interface RemoteFile {
  /** `Content-Type` as the host sent it. */
  readonly contentType: string | undefined;
  /** The decoded bytes. */
  readonly bytes: AsyncIterable<Buffer>;
}

/** Downloads results and their files from URLs that `ResultUrlPolicy` allows. */
@Injectable()
export class ResultDownload implements OnApplicationShutdown {
  private readonly agent: Agent;
  private readonly policy: ResultUrlPolicy;

  constructor(private readonly settings: Settings) {
    this.policy = new ResultUrlPolicy(settings);
    this.agent = new Agent({
      headersTimeout: 60_000,
      bodyTimeout: 60_000,
      connect: this.policy.connector({ timeout: 10_000 }),
    });
  }

  /** Deadline for all downloads of one result. */
  deadline(): AbortSignal {
    return AbortSignal.timeout(this.settings.RESULT_TIMEOUT_SECONDS * 1000);
  }

  /** The decoded bytes at `address`. Throws `ResultDownloadError`. */
  async *read(address: string, deadline: AbortSignal = this.deadline()): AsyncGenerator<Buffer> {
    try {
      const { headers, body } = await this.open(address, deadline, AS_JSON);
      yield* decodeContent(body, headers['content-encoding']);
    } catch (error) {
      throw readable(error, deadline);
    }
  }

  /** Opens the file at `address`. Throws `ResultDownloadError`, also while its bytes are read. */
  async openFile(address: string, deadline: AbortSignal): Promise<RemoteFile> {
    try {
      const { headers, body } = await this.open(address, deadline, AS_FILE);
      const isChunked = /\bchunked\b/i.test(String(headers['transfer-encoding']));
      if (headers['content-length'] === undefined && !isChunked) {
        body.on('error', () => undefined).destroy();
        throw new ResultDownloadError('the host did not say how long the file is');
      }
      const type = headers['content-type'];
      const decoded = decodeContent(body, headers['content-encoding']);
      return {
        contentType: Array.isArray(type) ? type[0] : type,
        bytes: withReadableErrors(decoded, deadline),
      };
    } catch (error) {
      throw readable(error, deadline);
    }
  }

  /** Whether the operator trusts the host of `address` by name; `undefined` if it must not be requested. */
  isTrusted(address: string): boolean | undefined {
    return this.policy.isTrusted(address);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }

  private async open(
    address: string,
    signal: AbortSignal,
    accepted: Readonly<Record<string, string>>,
  ): Promise<Dispatcher.ResponseData> {
    let url = this.policy.check(address);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const answer = await request(url, {
        dispatcher: this.agent,
        headers: accepted,
        signal,
      });
      const { statusCode: status, headers, body } = answer;
      if (status === 200) return answer;
      await body.dump();
      const { location } = headers;
      if (status < 300 || status >= 400 || typeof location !== 'string') {
        throw new ResultDownloadError(`the host of the result answered ${status}`, { status });
      }
      url = this.policy.check(location, url);
    }
    throw new ResultDownloadError('the host of the result redirects too often');
  }
}

async function* withReadableErrors(
  bytes: AsyncIterable<Buffer>,
  deadline: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    yield* bytes;
  } catch (error) {
    throw readable(error, deadline);
  }
}

function readable(error: unknown, signal: AbortSignal): Error {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ResultDownloadError) return cause;
  }
  if (signal.aborted) return new ResultDownloadError('the download of the result timed out');
  return new ResultDownloadError('the download of the result failed', { cause: error });
}
