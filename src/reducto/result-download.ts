import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Agent, fetch, type Response } from 'undici';
import { Settings } from '../platform/config/settings.js';
import { ResultDownloadError } from './result-download-error.js';
import { ResultUrlPolicy } from './result-url-policy.js';

const MAX_REDIRECTS = 3;

/** Downloads results that Reducto hands out as a URL, from where `ResultUrlPolicy` allows. */
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

  /** The bytes behind `address`, decompressed, at most `RESULT_MAX_BYTES`. Throws `ResultDownloadError`. */
  async *read(address: string): AsyncGenerator<Buffer> {
    const signal = AbortSignal.timeout(this.settings.RESULT_TIMEOUT_SECONDS * 1000);
    try {
      const response = await this.open(address, signal);
      let size = 0;
      for await (const part of response.body ?? []) {
        const bytes = Buffer.from(part as Uint8Array);
        size += bytes.length;
        if (size > this.settings.RESULT_MAX_BYTES) {
          throw new ResultDownloadError('the result is larger than RESULT_MAX_BYTES');
        }
        yield bytes;
      }
    } catch (error) {
      throw readable(error, signal);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }

  private async open(address: string, signal: AbortSignal): Promise<Response> {
    let url = this.policy.check(address);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await fetch(url, { dispatcher: this.agent, redirect: 'manual', signal });
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location !== null) {
        await response.body?.cancel();
        url = this.policy.check(location, url);
        continue;
      }
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new ResultDownloadError(`the host of the result answered ${response.status}`);
      }
      return response;
    }
    throw new ResultDownloadError('the host of the result redirects without end');
  }
}

function readable(error: unknown, signal: AbortSignal): Error {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ResultDownloadError) return cause;
  }
  if (signal.aborted) return new ResultDownloadError('the download of the result took too long');
  return new ResultDownloadError('the download of the result broke off', { cause: error });
}
